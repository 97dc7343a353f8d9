"""One suite for both locks: a file, and an advisory lock on a real PostgreSQL."""

import os
import signal
import subprocess
import sys
import textwrap
import threading
import time
from datetime import UTC, datetime
from pathlib import Path

import pytest

from pipelines.adapters.database import open_engine
from pipelines.adapters.lock.file import FileLock
from pipelines.adapters.lock.postgres import PostgresLock
from pipelines.core.errors import LockedError, Unavailable
from pipelines.core.time import FixedClock
from pipelines.release.lock import Lock

CLOCK = FixedClock(datetime(2026, 1, 5, 6, tzinfo=UTC))


@pytest.fixture(params=["file", "postgresql"])
def address(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "postgresql":
        return str(request.getfixturevalue("postgres_url"))
    return str(tmp_path / "home" / "locks")


def lock_at(address: str) -> Lock:
    if address.startswith("postgresql"):
        return PostgresLock(open_engine(address), CLOCK)
    return FileLock(Path(address), CLOCK)


@pytest.fixture
def lock(address: str) -> Lock:
    return lock_at(address)


def test_a_newcomer_reads_the_holder_and_its_start(lock: Lock, address: str) -> None:
    with lock.hold("demand", "live", "run-1 on host-a"):
        for other in (lock, lock_at(address)):
            with (
                pytest.raises(LockedError, match=r"run-1 on host-a since 2026-01-05T06:00:00Z"),
                other.hold("demand", "live", "run-2"),
            ):
                pytest.fail("two held one lock")
        with lock.hold("demand", "backtest", "run-3"), lock.hold("visits", "live", "run-4"):
            pass
    with lock.hold("demand", "live", "run-5") as holder:
        assert holder.process == "run-5"


def test_it_is_given_back_when_the_work_fails(lock: Lock) -> None:
    with pytest.raises(ZeroDivisionError), lock.hold("demand", "live", "run-1"):
        raise ZeroDivisionError
    with lock.hold("demand", "live", "run-2"):
        pass


def test_one_thread_at_a_time(lock: Lock) -> None:
    inside, most, busy, guard = 0, 0, 0, threading.Lock()
    ready = threading.Barrier(6)

    def work(number: int) -> None:
        nonlocal inside, most, busy
        ready.wait()
        try:
            with lock.hold("demand", "live", f"thread-{number}"):
                with guard:
                    inside += 1
                    most = max(most, inside)
                time.sleep(0.2)
                with guard:
                    inside -= 1
        except LockedError:
            with guard:
                busy += 1

    threads = [threading.Thread(target=work, args=(number,)) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert most == 1, "the lock let two in at once"
    assert busy <= 5


HOLDER = """
    import sys, time
    from datetime import UTC, datetime
    from pathlib import Path
    from pipelines.adapters.database import open_engine
    from pipelines.adapters.lock.file import FileLock
    from pipelines.adapters.lock.postgres import PostgresLock
    from pipelines.core.time import FixedClock

    clock = FixedClock(datetime(2026, 1, 5, 7, tzinfo=UTC))
    address = sys.argv[1]
    lock = (PostgresLock(open_engine(address), clock) if address.startswith("postgresql")
        else FileLock(Path(address), clock))
    with lock.hold("demand", "live", "the other process"):
        print("held", flush=True)
        time.sleep(300)
"""


def test_it_dies_with_its_process(lock: Lock, address: str) -> None:
    process = subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(HOLDER), address], stdout=subprocess.PIPE, text=True
    )
    try:
        assert process.stdout.readline() == "held\n"
        with (
            pytest.raises(LockedError, match="the other process since 2026-01-05T07:00:00Z"),
            lock.hold("demand", "live", "me"),
        ):
            pytest.fail("two processes held one lock")
    finally:
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
        process.stdout.close()
    deadline = time.monotonic() + 600  # the server has to notice that the session is gone
    while True:
        try:
            with lock.hold("demand", "live", "me"):
                return
        except LockedError:
            assert time.monotonic() < deadline, "the lock outlived its process"
            time.sleep(0.05)


@pytest.mark.parametrize("address", ["/dev/null/locks", "postgresql://x@127.0.0.1:1/none"])
def test_a_place_that_is_away_is_unavailable(address: str) -> None:
    with pytest.raises(Unavailable), lock_at(address).hold("demand", "live", "me"):
        pytest.fail("held a lock nowhere")
