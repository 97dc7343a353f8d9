"""The roles that docker-compose makes, on a real PostgreSQL: none can change the ledger."""

import sys
from collections.abc import Callable
from pathlib import Path

import psycopg
import pytest

sys.path.insert(0, str(Path(__file__).parents[2] / "deploy"))
import prepare  # the script of the service `prepare`

from pipelines.adapters.database import open_engine
from pipelines.adapters.ledger.sql import SqlLedger
from pipelines.adapters.lock.postgres import PostgresLock
from pipelines.core.errors import LockedError
from pipelines.release.ledger import NewEntry
from tests.support.promotion_home import AT, CLOCK

CHANGES = (
    "UPDATE gauntlet_ledger SET body = ''",
    "DELETE FROM gauntlet_ledger",
    "TRUNCATE gauntlet_ledger",
    "ALTER TABLE gauntlet_ledger DISABLE TRIGGER USER",
    "DROP TABLE gauntlet_ledger",
    "CREATE TABLE another (x int)",
)


@pytest.fixture(scope="module")
def address(postgres_server: str) -> Callable[[str, str], str]:
    """The address of a database for a role, after `prepare` has run twice."""
    for _ in range(2):
        prepare.databases(postgres_server, dict.fromkeys(prepare.ROLES, "secret"))
        prepare.ledger(postgres_server)

    def of(role: str, database: str) -> str:
        host = postgres_server.partition("@")[2].partition("/")[0]
        return f"postgresql://{role}:secret@{host}/{database}"

    return of


def entry(run: str) -> NewEntry:
    return NewEntry(
        model="demand",
        kind="audit",
        run=run,
        as_of=AT,
        champion_before=None,
        champion_after=None,
        reasons=("a test",),
    )


def test_the_tasks_append_and_read(address: Callable[[str, str], str]) -> None:
    ledger = SqlLedger(open_engine(address("gauntlet", "gauntlet")), CLOCK)
    head = ledger.head("demand")
    written = ledger.append(entry("tasks"), head.sequence if head else 0)
    assert ledger.entries("demand")[-1] == written
    assert ledger.verify("demand") == len(ledger.entries("demand"))


def test_the_tasks_take_locks(address: Callable[[str, str], str]) -> None:
    lock = PostgresLock(open_engine(address("gauntlet", "gauntlet")), CLOCK)
    with (
        lock.hold("demand", "live", "tasks"),
        pytest.raises(LockedError, match="tasks"),
        lock.hold("demand", "live", "others"),
    ):
        pass


def test_the_service_reads_and_cannot_append(address: Callable[[str, str], str]) -> None:
    SqlLedger(open_engine(address("serving", "gauntlet")), CLOCK).entries("demand")
    with (
        psycopg.connect(address("serving", "gauntlet")) as connection,
        pytest.raises(psycopg.errors.InsufficientPrivilege),
    ):
        connection.execute("INSERT INTO gauntlet_ledger SELECT * FROM gauntlet_ledger")


@pytest.mark.parametrize("role", ["gauntlet", "serving"])
@pytest.mark.parametrize("change", CHANGES)
def test_no_role_changes_the_ledger(
    address: Callable[[str, str], str], role: str, change: str
) -> None:
    with (
        psycopg.connect(address(role, "gauntlet"), autocommit=True) as connection,
        pytest.raises(psycopg.errors.InsufficientPrivilege),
    ):
        connection.execute(change)


@pytest.mark.parametrize("role", ["mlflow", "airflow"])
def test_other_roles_cannot_open_the_ledgers_database(
    address: Callable[[str, str], str], role: str
) -> None:
    with pytest.raises(psycopg.OperationalError, match="permission denied for database"):
        psycopg.connect(address(role, "gauntlet"))
    with psycopg.connect(address(role, role)) as connection:
        connection.execute("CREATE TABLE its_own (x int)")
        connection.rollback()
