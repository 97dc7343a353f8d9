"""Processes that share an online store: they race, they are killed, and they fork."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from itertools import chain, count

import pytest
import redis

from pipelines.features.online.store import Key, OnlineRow, OnlineStore, ViewState
from pipelines.settings import Settings
from pipelines.stores import open_online

T = datetime(2026, 1, 5, tzinfo=UTC)
VIEW = "demand.stock_by_shop"
SIZE = 25_000
KEYS: list[Key] = [(f"s{i}",) for i in range(SIZE)]

# A process of its own: write hour `argv[2]` in the place of hour `argv[3]`, every row anew.
WRITER = textwrap.dedent("""
    import sys
    from datetime import UTC, datetime, timedelta
    from pipelines.core.errors import StaleEvidenceError
    from pipelines.features.online.store import OnlineRow, ViewState
    from pipelines.settings import Settings
    from pipelines.stores import open_online

    url, hour, before, size = sys.argv[1], *map(int, sys.argv[2:])
    T = datetime(2026, 1, 5, tzinfo=UTC)
    state = lambda h: ViewState("demand.stock_by_shop", T + timedelta(hours=h), T, ("a1", "b2"))
    rows = [OnlineRow((f"s{i}",), (hour, f"row {i}"), T, T) for i in range(size)]
    store = open_online(Settings(online_url=url))
    print("ready", flush=True)
    sys.stdin.readline()
    print("begun", flush=True)
    try:
        store.write(state(hour), rows, (), replaces=state(before))
    except StaleEvidenceError:
        print("superseded")
    else:
        print("written")
""")


def state_at(hour: int) -> ViewState:
    return ViewState(VIEW, T + timedelta(hours=hour), T, ("a1", "b2"))


def rows_of(hour: int) -> Iterator[OnlineRow]:
    return (OnlineRow(key, (hour, f"row {i}"), T, T) for i, key in enumerate(KEYS))


def writer(url: str, hour: int, before: int, size: int = SIZE) -> subprocess.Popen[str]:
    """A process that is ready to write and waits for a line."""
    process = subprocess.Popen(
        [sys.executable, "-c", WRITER, url, str(hour), str(before), str(size)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    return process


def go(process: subprocess.Popen[str]) -> None:
    assert process.stdin is not None
    process.stdin.write("go\n")
    process.stdin.flush()


def kill(process: subprocess.Popen[str]) -> None:
    process.send_signal(signal.SIGKILL)
    process.communicate()


def hours_observed(store: OnlineStore) -> tuple[int, set[int]]:
    """The hour of the state, and the hours of its rows."""
    reading = store.read(VIEW, KEYS)
    assert reading.state is not None
    observed = {int(str(row.values[0])) for row in reading.rows if row is not None}
    assert None not in reading.rows, "a row has vanished"
    return (reading.state.as_of - T) // timedelta(hours=1), observed


@pytest.mark.slow
def test_one_of_many_processes_wins(shared_url: str) -> None:
    store = open_online(Settings(online_url=shared_url))
    store.write(state_at(0), rows_of(0), (), replaces=None)
    racers = {hour: writer(shared_url, hour, 0) for hour in (1, 2, 3)}
    for racer in racers.values():
        go(racer)
    answers = {
        hour: racer.communicate(timeout=600)[0].split()[-1] for hour, racer in racers.items()
    }
    winners = [hour for hour, word in answers.items() if word == "written"]
    assert len(winners) == 1, answers
    assert sorted(answers.values()) == ["superseded", "superseded", "written"]
    assert hours_observed(store) == (winners[0], set(winners))


@pytest.mark.slow
def test_a_writer_that_is_killed_has_changed_nothing_or_all(shared_url: str) -> None:
    """Killed at moments all over a write; after each, the next write starts from what is there."""
    store = open_online(Settings(online_url=shared_url))
    store.write(state_at(0), rows_of(0), (), replaces=None)
    begun = time.monotonic()
    store.write(state_at(1), rows_of(1), (), replaces=state_at(0))
    whole_s, now, ends = time.monotonic() - begun, 1, list[bool]()
    moments = chain((0.1, 0.4, 0.7, 0.9), (0.05 / 2**i for i in count()))
    while len(ends) < 4 or all(ends):  # ever earlier, until one was killed before its end
        share = next(moments)
        process = writer(shared_url, now + 1, now)
        go(process)
        time.sleep(share * whole_s)
        kill(process)
        hour, observed = hours_observed(store)
        assert hour in (now, now + 1)
        assert observed == {hour}, (
            f"killed after {share:.0%} of a write: hour {hour} has rows of {observed}"
        )
        ends.append(hour == now + 1)
        now = hour
    store.write(state_at(now + 1), list(rows_of(now + 1))[:5], [KEYS[7]], replaces=state_at(now))
    reading = store.read(VIEW, KEYS[:9])
    wanted = [now + 1] * 5 + [now] * 2 + [None] + [now]
    assert [None if row is None else row.values[0] for row in reading.rows] == wanted


@pytest.mark.slow
def test_what_a_killed_writer_made_known_and_did_not_move_is_read_and_moved(redis_url: str) -> None:
    """Between its swap and its end a write in Redis lies in two hashes."""
    store = open_online(Settings(online_url=redis_url))
    server = redis.Redis.from_url(redis_url)
    store.write(state_at(0), rows_of(0), (), replaces=None)

    def newer(head: str = "gauntlet:online") -> str:
        return str(json.loads(server.hget(head, VIEW) or b"{}")["newer"])

    now = 0
    for _ in range(10):
        process = writer(redis_url, now + 1, now)
        go(process)
        while process.poll() is None and not newer():
            pass
        process.send_signal(signal.SIGKILL)
        process.communicate()
        now = (store.state(VIEW).as_of - T) // timedelta(hours=1)
        if newer():
            break
    else:
        pytest.fail("no writer was killed between its swap and its end")
    assert hours_observed(store) == (now, {now})
    store.write(
        state_at(now + 1), [OnlineRow(KEYS[0], (9, "x"), T, T)], [KEYS[1]], replaces=state_at(now)
    )
    assert not newer(), "the next write has not moved what the killed one left"
    reading = store.read(VIEW, KEYS[:3])
    assert [row and row.values[0] for row in reading.rows] == [9, None, now]
    names = {name.decode() for name in server.scan_iter()}
    kept = {name for name in names if server.ttl(name) == -1}
    assert len(kept) == 3, f"head, counter and rows are to be kept, not {kept}"
    assert all(0 < server.ttl(name) <= 3600 for name in names - kept)


def test_a_child_of_a_fork_reads_with_a_connection_of_its_own(shared_url: str) -> None:
    store = open_online(Settings(online_url=shared_url))
    store.write(state_at(0), [OnlineRow(("s1",), (0, "x"), T, T)], (), replaces=None)
    assert store.read(VIEW, [("s1",)]).rows[0] is not None
    child = os.fork()
    if not child:
        found = store.read(VIEW, [("s1",)]).rows[0]
        os._exit(0 if found is not None and found.values == (0, "x") else 1)
    for _ in range(20):
        assert store.read(VIEW, [("s1",)]).rows[0] is not None
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
