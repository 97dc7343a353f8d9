"""One suite for every ledger: SQLite in memory, SQLite in a file, and a real PostgreSQL."""

import subprocess
import sys
import textwrap
import threading
from collections.abc import Callable
from datetime import timedelta
from functools import partial
from pathlib import Path

import pytest
import sqlalchemy as sa

from pipelines.adapters.database import open_engine
from pipelines.adapters.ledger.sql import SqlLedger
from pipelines.core.errors import IntegrityError, StaleEvidenceError, Unavailable
from pipelines.release.ledger import LIVE, Entry, replay
from tests.support.ledger_entries import MONDAY, Ticking, judged, move


def test_an_empty_ledger_knows_no_champion(ledger: SqlLedger) -> None:
    assert ledger.champion("demand") is None
    assert ledger.head("demand") is None
    assert ledger.entries("demand") == ()
    assert ledger.lineages("demand") == ()
    assert ledger.verify("demand") == 0


def test_entries_come_back_as_they_were_written(ledger: SqlLedger, engine: sa.Engine) -> None:
    written = [ledger.append(judged("a"), 0), ledger.append(move("b", "1", "2"), 1)]
    assert list(ledger.entries("demand")) == written
    assert ledger.head("demand") == written[-1]
    assert ledger.of_run("demand", LIVE, "a") == (written[0],)
    assert [entry.sequence for entry in written] == [1, 2]
    assert written[1].previous == written[0].hash
    assert ledger.verify("demand") == 2
    assert replay(ledger.entries("demand")[0]) == judged("a").decision


def test_what_was_appended_since_the_last_look(ledger: SqlLedger) -> None:
    written = [ledger.append(judged("a"), 0), ledger.append(move("b", "1", "2"), 1)]
    assert [ledger.entries("demand", after=n) for n in range(3)] == [
        tuple(written),
        (written[1],),
        (),
    ]
    assert ledger.entries("demand", "other", after=0) == ()


def test_the_champion_at_an_instant(ledger: SqlLedger, clock: Ticking) -> None:
    ledger.append(move("a", None, "1"), 0)
    clock.at = MONDAY + timedelta(days=7, microseconds=500)
    ledger.append(move("b", "1", "2"), 1)
    assert ledger.champion("demand", LIVE, MONDAY - timedelta(microseconds=1)) is None
    assert ledger.champion("demand", LIVE, MONDAY) == "1"
    assert ledger.champion("demand", LIVE, clock.at - timedelta(microseconds=1)) == "1"
    assert ledger.champion("demand", LIVE, clock.at) == "2"
    assert ledger.champion("demand") == "2"


def test_a_clock_that_runs_backwards_does_not_turn_history_round(
    ledger: SqlLedger, clock: Ticking
) -> None:
    ledger.append(move("a", None, "1"), 0)
    clock.at = MONDAY - timedelta(hours=1)
    assert ledger.append(move("b", "1", "2"), 1).recorded_at == MONDAY
    assert ledger.champion("demand", LIVE, MONDAY) == "2"
    assert ledger.verify("demand") == 2


def test_the_same_run_again_writes_nothing(ledger: SqlLedger) -> None:
    first = ledger.append(move("a", None, "1"), 0)
    assert ledger.append(move("a", None, "1"), 0) == first
    ledger.append(move("b", "1", "2"), 1)
    assert ledger.append(move("a", None, "1"), 0) == first
    assert len(ledger.entries("demand")) == 2


def test_a_lost_race_names_the_winner(ledger: SqlLedger) -> None:
    ledger.append(move("a", None, "1"), 0)
    ledger.append(move("fast", "1", "2"), 1)
    with pytest.raises(StaleEvidenceError, match=r"entry 2 \(promotion of run fast.*champion is 2"):
        ledger.append(move("slow", "1", "3"), 1)
    with pytest.raises(StaleEvidenceError):
        ledger.append(move("blind", "1", "3"), 2)
    with pytest.raises(StaleEvidenceError):
        ledger.append(move("early", "2", "3"), 7)
    assert ledger.champion("demand") == "2"


def test_lineages_and_models_do_not_see_each_other(ledger: SqlLedger) -> None:
    ledger.append(move("a", None, "1"), 0)
    ledger.append(move("a", None, "7", lineage="backtest-1"), 0)
    ledger.append(move("a", None, "9", model="visits"), 0)
    assert ledger.champion("demand") == "1"
    assert ledger.champion("demand", "backtest-1") == "7"
    assert ledger.champion("visits") == "9"
    assert ledger.lineages("demand") == ("backtest-1", LIVE)
    assert ledger.verify("demand") == 2


def test_two_threads_and_one_place(ledger: SqlLedger) -> None:
    ledger.append(move("first", None, "0"), 0)
    for after in range(1, 9):
        before = str(ledger.champion("demand"))
        rivals = [move(f"{after}-{n}", before, f"{after}.{n}") for n in range(4)]
        won, lost = race([partial(ledger.append, rival, after) for rival in rivals])
        assert len(won) == 1, "exactly one of the promoters may win"
        assert all(isinstance(error, StaleEvidenceError) for error in lost), lost
        assert ledger.champion("demand") == won[0].champion_after
    assert ledger.verify("demand") == 9


def test_the_same_run_in_four_threads_makes_one_entry(ledger: SqlLedger) -> None:
    won, lost = race([lambda: ledger.append(move("a", None, "1"), 0)] * 4)
    assert not lost
    assert len({entry.hash for entry in won}) == 1
    assert len(ledger.entries("demand")) == 1


def race(tasks: list[Callable[[], Entry]]) -> tuple[list[Entry], list[Exception]]:
    ready, won, lost = threading.Barrier(len(tasks)), [], []

    def run(task: Callable[[], Entry]) -> None:
        ready.wait()
        try:
            won.append(task())
        except Exception as error:
            lost.append(error)

    threads = [threading.Thread(target=run, args=(task,)) for task in tasks]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return won, lost


RACER = """
    import sys
    from datetime import UTC, datetime
    from pipelines.adapters.database import open_engine
    from pipelines.adapters.ledger.sql import SqlLedger
    from pipelines.core.errors import StaleEvidenceError
    from pipelines.core.time import FixedClock
    from pipelines.release.ledger import NewEntry

    url, name = sys.argv[1:]
    at = datetime(2026, 1, 5, tzinfo=UTC)
    ledger = SqlLedger(open_engine(url), FixedClock(at))
    print("ready", flush=True)
    for line in sys.stdin:
        after = int(line)
        before = ledger.champion("demand")
        draft = NewEntry(model="demand", kind="promotion", run=f"{name}-{after}", as_of=at,
            champion_before=before, champion_after=f"{after}.{name}", reasons=("race",))
        try:
            ledger.append(draft, after)
            print("won", flush=True)
        except StaleEvidenceError:
            print("lost", flush=True)
"""


def test_two_processes_on_a_fresh_database(url: str, ledger: SqlLedger) -> None:
    """Both also make the table, at the same time."""
    if url == "sqlite://":
        pytest.skip("a database in memory belongs to one process")
    racers = [
        subprocess.Popen(
            [sys.executable, "-c", textwrap.dedent(RACER), url, name],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for name in ("a", "b", "c")
    ]
    try:
        assert [racer.stdout.readline() for racer in racers] == ["ready\n"] * 3
        for after in range(6):
            for racer in racers:
                racer.stdin.write(f"{after}\n")
                racer.stdin.flush()
            answers = sorted(racer.stdout.readline() for racer in racers)
            assert answers == ["lost\n", "lost\n", "won\n"], f"round {after}: {answers}"
    finally:
        for racer in racers:
            racer.communicate(timeout=600)
    assert ledger.verify("demand") == 6


@pytest.mark.parametrize(
    "address",
    [
        "postgresql://unknown:secret@127.0.0.1:1/none",
        "sqlite:////dev/null/ledger.db",
        "mysql://x",
        "",
        "postgresql://unknown:secret@127.0.0.1:many/none",
        "postgresql://unknown:secret@[::1/none",
    ],
)
def test_a_database_that_is_away_is_unavailable(address: str) -> None:
    with pytest.raises(Unavailable) as caught:
        SqlLedger(open_engine(address), Ticking(MONDAY)).champion("demand")
    assert "secret" not in str(caught.value)


def test_a_file_that_is_no_database_is_damaged(tmp_path: Path) -> None:
    path = tmp_path / "ledger.db"
    path.write_bytes(b"not a database, but long enough to look like one" * 100)
    with pytest.raises(IntegrityError, match="ledger"):
        SqlLedger(open_engine(f"sqlite:///{path}"), Ticking(MONDAY)).champion("demand")
