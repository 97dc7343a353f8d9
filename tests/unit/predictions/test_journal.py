"""The journal: acknowledged is durable, bounds are kept, failures are named, waits are shared."""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
import textwrap
import threading
import time
from datetime import timedelta
from pathlib import Path

import pytest

from pipelines.core.errors import DataError, IntegrityError, SpecError, Unavailable
from pipelines.predictions.journal import Journal, JournalFull
from pipelines.predictions.record import Prediction
from tests.support.prediction_factory import NOON, make_prediction

ROOT = Path(__file__).parents[3]


def ids(journal: Journal) -> list[str]:
    """Request ids of all rows, out of a journal that has no larger batches than one."""
    batch = journal.seal(NOON)
    return [] if batch is None else [row[2] for row in batch.rows]


def test_what_was_appended_is_there_for_the_next_process(tmp_path: Path) -> None:
    with Journal(tmp_path / "new" / "demand.db") as journal:
        journal.append([make_prediction("a"), make_prediction("b")])
        journal.append([])
        journal.append([make_prediction("c", NOON - timedelta(minutes=5))])
        backlog = journal.backlog()
    with Journal(tmp_path / "new" / "demand.db") as journal:
        assert journal.backlog() == backlog
        assert ids(journal) == ["a", "b", "c"]
    assert backlog.rows == 3
    assert backlog.age_s(NOON + timedelta(seconds=90)) == 90, "the first row is the oldest"
    assert backlog.age_s(NOON - timedelta(seconds=90)) == 0, "the clock was set back"


def test_the_write_ahead_log_waits_for_the_disk_at_every_commit(tmp_path: Path) -> None:
    """Without it a kill loses nothing but a power cut does, and no test can cut the power."""
    with Journal(tmp_path / "demand.db") as journal, journal._file.writing() as connection:
        assert connection.execute("PRAGMA journal_mode").fetchone() == ("wal",)
        assert connection.execute("PRAGMA synchronous").fetchone() == (2,), "2 is FULL"


def test_no_caller_clears_the_write_ahead_log_while_the_log_is_shipped(tmp_path: Path) -> None:
    path = tmp_path / "demand.db"
    wal = Path(f"{path}-wal")
    with Journal(path) as worker, Journal(path) as shipper:
        for number in range(600):  # three pages each: SQLite by itself moves them after 1,000
            worker.append([make_prediction(f"{number}")])
        grown, moved = wal.stat().st_size, path.stat().st_size
        assert grown > 1000 * 4096, "a commit moved the log into the file: its caller waited"
        assert moved <= 4096, f"a commit wrote {moved} bytes into the file"
        shipper.clear()
        assert path.stat().st_size > moved, "nothing was moved"
        for number in range(600, 1100):
            worker.append([make_prediction(f"{number}")])
        assert wal.stat().st_size == grown, "the log grows on instead of starting again"
        assert len(ids(worker)) == 1100


def test_callers_at_the_same_time_lose_nothing(tmp_path: Path) -> None:
    with Journal(tmp_path / "demand.db") as journal:

        def work(thread: int) -> None:
            for number in range(50):
                journal.append([make_prediction(f"{thread}-{number}")])

        threads = [threading.Thread(target=work, args=(n,)) for n in range(16)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        found = ids(journal)
    assert sorted(found) == sorted(f"{t}-{n}" for t in range(16) for n in range(50))
    for t in range(16):
        mine = [one for one in found if one.startswith(f"{t}-")]
        assert mine == [f"{t}-{n}" for n in range(50)], "one caller's rows keep their order"


def test_callers_that_come_during_a_commit_share_the_next_one(tmp_path: Path) -> None:
    with Journal(tmp_path / "demand.db") as journal:
        commits: list[str] = []
        others = [
            threading.Thread(target=journal.append, args=([make_prediction(f"other-{n}")],))
            for n in range(15)
        ]

        def others_come(sql: str) -> None:
            if sql == "COMMIT":
                commits.append(sql)
                if len(commits) == 1:
                    for other in others:
                        other.start()
                    while len(journal._waiting) < len(others):
                        time.sleep(0.001)

        journal._file._write.set_trace_callback(others_come)
        journal.append([make_prediction("first")])
        for other in others:
            other.join()
        assert len(commits) == 2, "one for the first caller, and one for all others"
        assert len(ids(journal)) == 16


def test_a_full_journal_refuses_by_name_and_keeps_what_it_has(tmp_path: Path) -> None:
    with Journal(tmp_path / "demand.db", most_rows=3) as journal:
        journal.append([make_prediction("a"), make_prediction("b")])
        with pytest.raises(JournalFull, match="journal is full") as raised:
            journal.append([make_prediction("c"), make_prediction("d")])
        assert isinstance(raised.value, Unavailable)
        assert (raised.value.got.split(",")[0], raised.value.exit_code) == ("4 rows", 5)
        journal.append([make_prediction("e")])
        assert ids(journal) == ["a", "b", "e"], "all of an append or none of it"
        batch = journal.seal(NOON)
        assert batch is not None
        journal.forget(batch)
        journal.append([make_prediction("f"), make_prediction("g"), make_prediction("h")])


def test_bytes_are_bounded_as_well_as_rows(tmp_path: Path) -> None:
    with Journal(tmp_path / "demand.db", most_bytes=2000) as journal:
        journal.append([make_prediction("small")])
        with pytest.raises(JournalFull):
            journal.append([make_prediction("large", features={"text": "ä" * 1000})])
        assert journal.backlog().rows == 1
        batch = journal.seal(NOON)
        assert batch is not None
        journal.forget(batch)
        assert journal.backlog().bytes == 0


def test_a_refused_caller_does_not_spoil_the_others_transaction(tmp_path: Path) -> None:
    refused: list[JournalFull] = []
    with Journal(tmp_path / "demand.db", most_rows=100) as journal:

        def work(thread: int) -> None:
            for number in range(10):
                try:
                    journal.append(
                        [make_prediction(f"{thread}-{number}-{part}") for part in range(2)]
                    )
                except JournalFull as error:
                    refused.append(error)

        threads = [threading.Thread(target=work, args=(n,)) for n in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert (journal.backlog().rows, len(refused)) == (100, 30)
        assert len(ids(journal)) == 100


@pytest.mark.parametrize(
    "wrong",
    [
        {"features": {"text": "\ud800"}},
        {"features": {"number": float("nan")}},
        {"prediction": float("nan")},
        {"latency_ms": float("inf")},
        {"entity": {"shop": object()}},
    ],
)
def test_a_prediction_that_cannot_be_logged_is_refused_before_it_meets_others(
    tmp_path: Path, wrong: dict[str, object]
) -> None:
    """The service builds predictions without validation, for speed."""
    bad = Prediction.model_construct(**(dict(make_prediction("bad")) | wrong))
    with Journal(tmp_path / "demand.db") as journal:
        with pytest.raises(DataError, match="cannot be logged") as raised:
            journal.append([make_prediction("good"), bad])
        assert "'bad'" in raised.value.where
        assert journal.backlog().rows == 0


def test_a_file_that_is_no_journal_is_named(tmp_path: Path) -> None:
    path = tmp_path / "demand.db"
    path.write_bytes(b"something else " * 500)
    with pytest.raises(IntegrityError, match="no sound database") as raised:
        Journal(path)
    assert raised.value.where == str(path)


def test_a_journal_with_other_columns_is_not_written_to(tmp_path: Path) -> None:
    path = tmp_path / "demand.db"
    Journal(path).close()
    with sqlite3.connect(path) as connection:
        connection.execute("UPDATE state SET layout = 'of another release'")
    with pytest.raises(SpecError, match="other columns"):
        Journal(path)


def test_a_place_without_a_folder_is_unavailable(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(Unavailable, match="cannot be used"):
        Journal(tmp_path / "file" / "demand.db")


def test_a_closed_journal_refuses(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "demand.db")
    journal.close()
    with pytest.raises(Unavailable):
        journal.append([make_prediction("a")])


def test_a_fork_may_not_use_its_parents_journal(tmp_path: Path) -> None:
    """SQLite's locks would not hold, and the file would be damaged."""
    with Journal(tmp_path / "demand.db") as journal:
        child = os.fork()
        if child == 0:
            try:
                journal.append([make_prediction("a")])
            except Unavailable as error:
                os._exit(7 if "forked" in error.what else 8)
            os._exit(9)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 7
        assert journal.backlog().rows == 0


FULL_DISK = """
    import resource, sys
    from pathlib import Path
    from pipelines.core.errors import Unavailable
    from pipelines.predictions.journal import Journal
    from tests.support.prediction_factory import make_prediction

    limit = 600_000  # bytes of a file of this process: EFBIG, where a full disk is ENOSPC
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, resource.RLIM_INFINITY))
    journal, taken = Journal(Path(sys.argv[1])), 0
    try:
        while taken < 10_000:
            journal.append([make_prediction(str(taken))])
            taken += 1
    except Unavailable as error:
        print(error.what, taken, sep="|")
    resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    journal.append([make_prediction("room again")])
"""


def test_a_full_disk_is_reported_and_loses_nothing(tmp_path: Path) -> None:
    script = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(FULL_DISK), str(tmp_path / "demand.db")],
        capture_output=True,
        text=True,
        cwd=ROOT,
        check=False,
    )
    assert script.returncode == 0, script.stderr
    what, taken = script.stdout.strip().split("|")
    assert what == "the prediction journal cannot be used"
    with Journal(tmp_path / "demand.db") as journal:
        assert ids(journal) == [*map(str, range(int(taken))), "room again"]
