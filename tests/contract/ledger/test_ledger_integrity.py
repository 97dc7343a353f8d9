"""Changes by hand: the database refuses them, and a check of the chain names them."""

import hashlib
import json

import pytest
import sqlalchemy as sa

from pipelines.adapters.ledger.sql import ENTRIES, SqlLedger
from pipelines.core.errors import FormatError, IntegrityError
from pipelines.core.findings import Verdict
from pipelines.core.records import canonical_json, sha256_text
from pipelines.release.ledger import Entry, replay
from tests.support.ledger_entries import judged, move


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
    """What an account with all rights could do: drop the guards, write, create them again."""
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
