"""PostgreSQL read by tasks with connections of their own, which share one snapshot."""

from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

import psycopg
import pyarrow as pa
import pytest

from pipelines.adapters.events.postgres import PostgresEvents
from pipelines.adapters.events.postgres_range import Place, read_transaction, share_snapshot
from pipelines.core.errors import SpecError, Unavailable
from pipelines.data.engines.duck import ThisProcess
from pipelines.data.engines.port import Connect, Item, Result
from pipelines.spec.model import ModelSpec
from pipelines.spec.streams import PostgresSource
from tests.contract.events.event_world import World, postgres_source

Rows = Callable[..., pa.Table]
DAY_10 = datetime(2026, 1, 11, tzinfo=UTC)  # rows 0 to 9 are known by then, 6 hours after noon


class InAnotherConnection(ThisProcess):
    """Works as tasks of a cluster do, which have connections of their own."""

    here = False

    def __init__(self, before: Callable[[], None]) -> None:
        self.before = before
        self.items = 0

    def map(
        self, work: Callable[[Connect, Item], Result], items: Sequence[Item]
    ) -> Iterator[Result]:
        self.before()
        self.items += len(items)
        return super().map(work, items)


@pytest.mark.parametrize("delay_h", [None, 3])
def test_tasks_read_each_row_once_in_the_snapshot_of_the_pull(
    postgres_url: str,
    sales_rows: Rows,
    sales_model: Callable[..., ModelSpec],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    delay_h: int | None,
) -> None:
    """Some rows lie on the borders of parts; one is committed when the first task begins."""
    rule = {} if delay_h is None else {"known_time": {"event_time_plus": f"{delay_h}h"}}
    source, add = postgres_source(postgres_url)
    add(sales_rows(range(60), late_h=0))
    model = sales_model(**rule)
    plain = World(source, add, model, tmp_path / "plain")
    as_of = datetime(2026, 2, 20, 12, 0, 0, 5, tzinfo=UTC)
    wanted = plain.snapshot(as_of)
    assert len(wanted.streams["sales"].objects) == 1

    def commit_late() -> None:
        with psycopg.connect(postgres_url) as connection:
            connection.execute(
                "INSERT INTO sales SELECT 'late' || clock_timestamp(), shop, units, price, paid, "
                "due, sold_at, told_at FROM sales WHERE sale = 's7'"
            )

    monkeypatch.setattr("pipelines.adapters.events.postgres._PART", 9)
    monkeypatch.setenv("SALES_URL", postgres_url)
    workers = InAnotherConnection(commit_late)
    declared = PostgresSource(kind="postgres", table="sales", url_env="SALES_URL")
    parts = World(
        PostgresEvents.of(declared, postgres_url, workers), add, model, tmp_path / "parts"
    )
    got = parts.snapshot(as_of)
    objects = got.streams["sales"].objects
    assert len(objects) == workers.items == 6, "nine rows each, and the rest"
    assert got.id == wanted.id
    assert parts.sales(got) == plain.sales(wanted)
    workers.before = lambda: None
    later = as_of + timedelta(days=1)
    assert parts.snapshot(later).id == plain.snapshot(later).id != wanted.id
    [late_rows] = [one.late for one in parts.snapshot(later).streams["sales"].objects if one.late]
    assert late_rows.rows == 1


def test_a_task_without_the_address_names_the_variable(
    postgres_url: str,
    sales_rows: Rows,
    sales_model: Callable[..., ModelSpec],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    _, add = postgres_source(postgres_url)
    add(sales_rows(range(3)))
    monkeypatch.delenv("SALES_URL", raising=False)
    declared = PostgresSource(kind="postgres", table="sales", url_env="SALES_URL")
    source = PostgresEvents.of(declared, postgres_url, InAnotherConnection(lambda: None))
    with pytest.raises(SpecError, match="where a task of Spark runs") as raised:
        World(source, add, sales_model(), tmp_path).snapshot(DAY_10)
    assert raised.value.wanted == "the environment variable SALES_URL on each worker"


def test_a_snapshot_that_is_gone_is_no_wrong_value(
    postgres_url: str,
    sales_rows: Rows,
    sales_model: Callable[..., ModelSpec],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The first connection is lost before a task begins; another server has no snapshot either."""

    def lose() -> None:
        with psycopg.connect(postgres_url, autocommit=True) as connection:
            connection.execute(
                "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity "
                "WHERE datname = current_database() AND pid <> pg_backend_pid()"
            )

    _, add = postgres_source(postgres_url)
    add(sales_rows(range(3)))
    monkeypatch.setenv("SALES_URL", postgres_url)
    declared = PostgresSource(kind="postgres", table="sales", url_env="SALES_URL")
    source = PostgresEvents.of(declared, postgres_url, InAnotherConnection(lose))
    with pytest.raises(Unavailable, match="cannot share a snapshot"):
        World(source, add, sales_model(), tmp_path).snapshot(DAY_10)


def test_the_transaction_that_tasks_share_may_be_idle(postgres_url: str) -> None:
    """Else a server that ends idle transactions would end it while tasks read."""
    place = Place("stream sales", "", "")
    with read_transaction(postgres_url, place) as connection:
        connection.execute("SET idle_in_transaction_session_timeout = '1h'")
        share_snapshot(connection, place)
        limit = connection.execute("SHOW idle_in_transaction_session_timeout").fetchone()
    assert limit == ("0",)
