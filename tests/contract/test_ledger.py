"""One suite for every ledger: SQLite in memory, SQLite in a file, and a real PostgreSQL."""

import hashlib
import json
import subprocess
import sys
import textwrap
import threading
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from pipelines.adapters.database import open_engine
from pipelines.adapters.ledger.sql import ENTRIES, SqlLedger
from pipelines.core.errors import FormatError, IntegrityError, StaleEvidenceError, Unavailable
from pipelines.core.findings import Finding, Gate, Verdict
from pipelines.core.records import canonical_json, sha256_text
from pipelines.release.ledger import LIVE, Entry, NewEntry, replay
from pipelines.release.policy import Facts, decide

MONDAY = datetime(2026, 1, 5, 6, tzinfo=UTC)


class Ticking:
    """A clock that a test moves."""

    def __init__(self, at: datetime) -> None:
        self.at = at

    def now(self) -> datetime:
        return self.at


@pytest.fixture(params=["memory", "file", "postgresql"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "postgresql":
        return str(request.getfixturevalue("postgres_url"))
    return "sqlite://" if request.param == "memory" else f"sqlite:///{tmp_path}/home/ledger.db"


@pytest.fixture
def clock() -> Ticking:
    return Ticking(MONDAY)


@pytest.fixture
def engine(url: str) -> sa.Engine:
    return open_engine(url)


@pytest.fixture
def ledger(engine: sa.Engine, clock: Ticking) -> SqlLedger:
    return SqlLedger(engine, clock)


def move(run: str, before: str | None, after: str | None, **changed: Any) -> NewEntry:
    known = {
        "model": "demand",
        "kind": "promotion",
        "run": run,
        "as_of": MONDAY,
        "champion_before": before,
        "champion_after": after,
        "reasons": ("a test says so: µ ≥ 0, \u0000 and 'quotes'",),
    }
    return NewEntry.model_validate(known | changed)


def judged(run: str) -> NewEntry:
    findings = tuple(
        Finding(gate=Gate(gate), name=name, verdict=Verdict.PASS, reason="x", value=0.1 + 0.2)
        for gate, name in (
            ("contract", "contract.suite.sales.price.not_null"),
            ("availability", "availability.leak_probe"),
            ("recent_window", "recent_window.baseline"),
        )
    )
    facts = Facts(run=run, candidate="1", champion=None, champion_at_decision=None)
    decision = decide(findings, facts)
    return move(
        run,
        None,
        "1",
        kind="first_version",
        decision=decision,
        facts=facts,
        findings=findings,
        reasons=decision.reasons,
    )


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


def test_a_lost_race_says_who_won(ledger: SqlLedger) -> None:
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
            said = sorted(racer.stdout.readline() for racer in racers)
            assert said == ["lost\n", "lost\n", "won\n"], f"round {after}: {said}"
    finally:
        for racer in racers:
            racer.communicate(timeout=600)
    assert ledger.verify("demand") == 6


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE gauntlet_ledger SET body = '{}'",
        "DELETE FROM gauntlet_ledger",
        "DELETE FROM gauntlet_ledger WHERE sequence = 1",
        "INSERT OR REPLACE INTO gauntlet_ledger SELECT * FROM gauntlet_ledger",
        "TRUNCATE gauntlet_ledger",
    ],
)
def test_the_database_itself_refuses_changes(
    ledger: SqlLedger, engine: sa.Engine, statement: str
) -> None:
    sqlite = engine.dialect.name == "sqlite"
    if statement.startswith("TRUNCATE" if sqlite else "INSERT OR"):
        pytest.skip("this database has no such statement")
    written = ledger.append(move("a", None, "1"), 0)
    with (
        pytest.raises(sa.exc.DBAPIError, match="append-only"),
        engine.connect() as connection,
    ):
        connection.exec_driver_sql(statement)
    assert ledger.entries("demand") == (written,)


def tamper(engine: sa.Engine, statement: sa.Executable) -> None:
    """What somebody with all rights could do: take the guards away, write, put them back."""
    with engine.connect() as connection:
        if engine.dialect.name == "postgresql":
            connection.exec_driver_sql("ALTER TABLE gauntlet_ledger DISABLE TRIGGER USER")
            connection.execute(statement)
            connection.exec_driver_sql("ALTER TABLE gauntlet_ledger ENABLE TRIGGER USER")
            return
        guards = connection.exec_driver_sql(
            "SELECT name, sql FROM sqlite_master WHERE type = 'trigger'"
        ).all()
        for name, _ in guards:
            connection.exec_driver_sql(f"DROP TRIGGER {name}")
        connection.execute(statement)
        for _, sql in guards:
            connection.exec_driver_sql(sql)


@pytest.fixture
def three(ledger: SqlLedger) -> tuple[Entry, ...]:
    for number in range(3):
        ledger.append(move(f"r{number}", str(number) if number else None, str(number + 1)), number)
    assert ledger.verify("demand") == 3
    return ledger.entries("demand")


def test_a_changed_entry_is_named(
    ledger: SqlLedger, engine: sa.Engine, three: tuple[Entry, ...]
) -> None:
    forged = three[1].model_copy(update={"reasons": ("all was well",)})
    where = ENTRIES.c.sequence == 2
    tamper(engine, ENTRIES.update().where(where).values(body=forged.body))
    with pytest.raises(
        IntegrityError, match="demand/live entry 2: the content does not have the hash"
    ):
        ledger.verify("demand")
    with pytest.raises(IntegrityError, match="entry 2"):
        ledger.entries("demand")
    assert ledger.champion("demand") == "3", "the other entries can be read"


def test_a_changed_entry_with_a_new_hash_breaks_the_chain(
    ledger: SqlLedger, engine: sa.Engine, three: tuple[Entry, ...]
) -> None:
    body = three[1].model_copy(update={"reasons": ("all was well",)}).body
    where = ENTRIES.c.sequence == 2
    changed = {"body": body, "hash": sha256_text(body)}
    tamper(engine, ENTRIES.update().where(where).values(**changed))
    with pytest.raises(
        IntegrityError, match="demand/live entry 3: does not follow from the entry before"
    ):
        ledger.verify("demand")


def test_a_removed_entry_is_named(
    ledger: SqlLedger, engine: sa.Engine, three: tuple[Entry, ...]
) -> None:
    tamper(engine, ENTRIES.delete().where(ENTRIES.c.sequence == 2))
    with pytest.raises(IntegrityError, match="demand/live entry 3: found where entry 2 should be"):
        ledger.verify("demand")


def test_a_column_that_contradicts_the_body_is_named(
    ledger: SqlLedger, engine: sa.Engine, three: tuple[Entry, ...]
) -> None:
    tamper(engine, ENTRIES.update().where(ENTRIES.c.sequence == 1).values(recorded_us=0))
    with pytest.raises(IntegrityError, match="entry 1: the columns differ from the body"):
        ledger.verify("demand")


def test_a_body_that_is_no_entry_is_named(
    ledger: SqlLedger, engine: sa.Engine, three: tuple[Entry, ...]
) -> None:
    body, third = '{"model":', ENTRIES.c.sequence == 3
    tamper(engine, ENTRIES.update().where(third).values(body=body))
    with pytest.raises(IntegrityError, match="entry 3: the content does not have the hash"):
        ledger.verify("demand")
    tamper(engine, ENTRIES.update().where(third).values(hash=sha256_text(body)))
    with pytest.raises(IntegrityError, match="entry 3: cannot be read"):
        ledger.verify("demand")


def test_an_entry_of_another_release_is_read_or_refused_by_its_schema(
    ledger: SqlLedger, engine: sa.Engine, three: tuple[Entry, ...]
) -> None:
    third = ENTRIES.c.sequence == 3
    added = json.loads(three[2].body) | {"added_later": {"a": 1}}
    del added["snapshot"]
    body = json.dumps(added, indent=1)
    tamper(engine, ENTRIES.update().where(third).values(body=body, hash=sha256_text(body)))
    assert ledger.verify("demand") == 3, "unknown fields and missing defaults do no harm"
    read = ledger.entries("demand")[-1]
    assert read == three[2].model_copy(update={"hash": sha256_text(body)})
    newer = canonical_json(added | {"schema": 2})
    tamper(engine, ENTRIES.update().where(third).values(body=newer, hash=sha256_text(newer)))
    for reading in (ledger.verify, ledger.entries, ledger.head):
        with pytest.raises(FormatError, match="written by a newer release") as caught:
            reading("demand")
    assert caught.value.where == "demand/live entry 3"
    assert (caught.value.got, caught.value.wanted) == ("schema 2", "schema 1 or older")


def test_missing_guards_are_named(
    ledger: SqlLedger, engine: sa.Engine, three: tuple[Entry, ...]
) -> None:
    with engine.connect() as connection:
        if engine.dialect.name == "sqlite":
            connection.exec_driver_sql("DROP TRIGGER gauntlet_ledger_no_delete")
        else:
            connection.exec_driver_sql("ALTER TABLE gauntlet_ledger DISABLE TRIGGER USER")
    with pytest.raises(IntegrityError, match=r"the trigger gauntlet_ledger_no_.* is gone"):
        ledger.verify("demand")


def test_a_replay_that_differs_is_named(ledger: SqlLedger) -> None:
    entry = ledger.append(judged("a"), 0)
    failed = entry.findings[0].model_copy(update={"verdict": Verdict.FAIL})
    forged = entry.model_copy(update={"findings": (failed, *entry.findings[1:])})
    with pytest.raises(IntegrityError, match="another decision than was recorded"):
        replay(forged)
    with pytest.raises(IntegrityError, match="holds no judgement"):
        replay(ledger.append(move("b", "1", "2", kind="rollback"), 1))


def test_entries_are_readable_without_this_program(ledger: SqlLedger, engine: sa.Engine) -> None:
    """The body is plain JSON, and its hash can be checked with nothing but SHA-256."""
    entry = ledger.append(judged("a"), 0)
    with engine.connect() as connection:
        stored = connection.execute(sa.select(ENTRIES.c.body)).scalar_one()
    assert hashlib.sha256(stored.encode()).hexdigest() == entry.hash
    body = json.loads(stored)
    assert (body["schema"], body["decision"]["outcome"]) == (1, "first_version")


@pytest.mark.parametrize(
    "address",
    [
        "postgresql://nobody:secret@127.0.0.1:1/none",
        "sqlite:////dev/null/ledger.db",
        "mysql://x",
        "",
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
