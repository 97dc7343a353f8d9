"""SQL from templates: the same as Ibis writes, in less time."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import ibis
import pyarrow as pa
import pytest
from ibis.backends.duckdb import Backend

from pipelines.core.time import Window
from pipelines.data.connection import open_duckdb
from pipelines.data.query_templates import MOST, QueryTemplates
from pipelines.features.frame import build_frame
from pipelines.spec.model import ModelSpec

Build = Callable[[ibis.Table, int], Any]
SCHEMA = {"shop": "string", "units": "int64", "price": "float64", "at": "timestamp(6)"}
KINDS = {
    "string": "VARCHAR",
    "integer": "BIGINT",
    "float": "DOUBLE",
    "boolean": "BOOLEAN",
    "timestamp": "TIMESTAMP",
}
START = datetime(2026, 1, 5, tzinfo=UTC)


@pytest.fixture
def connection() -> Iterator[Any]:
    QueryTemplates._templates.clear()
    found = open_duckdb()
    yield found
    found.disconnect()


@pytest.fixture
def written(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """The expressions that Ibis wrote as SQL."""
    whole, found = Backend.compile, list[Any]()

    def noted(self: Any, expr: Any, /, **options: Any) -> str:
        found.append(expr)
        return str(whole(self, expr, **options))

    monkeypatch.setattr(Backend, "compile", noted)
    return found


def plain(connection: Any, expr: Any) -> str:
    return str(Backend.compile(connection, expr))


def instant(number: int) -> datetime:
    return START.replace(tzinfo=None) + timedelta(days=7 * number, microseconds=number)


def micros(number: int) -> int:
    return 1_767_571_200_000_000 + number


@pytest.mark.parametrize(
    "build",
    [
        lambda table, n: table.filter(table["at"] >= instant(n), table["at"] < instant(n + 1)),
        lambda table, n: table.filter(table["at"] == instant(n), table["price"] < n + 0.5),
        lambda table, n: table.mutate(late=table["units"] - micros(n), soon=-micros(n)),
        lambda table, n: table.mutate(
            less=table["units"] - -micros(n), half=table["price"] - -0.1 * n
        ),
        lambda table, n: table["price"].between(-n - 0.25, 1e-9 * n).sum(),
        lambda table, n: table.aggregate(low=table["price"].min(where=table["units"] > micros(n))),
        lambda table, n: table.mutate(big=ibis.greatest(table["units"], micros(n), micros(n))),
        lambda table, n: table.mutate(zero=ibis.literal(0.0 if n % 2 else -0.0)),
        lambda table, n: table.mutate(odd=ibis.literal(float("inf") if n % 2 else n + 0.5)),
        lambda table, n: table.mutate(none=ibis.literal(None, "int64"), n=ibis.literal(n)),
        lambda table, n: table.mutate(name=ibis.literal(f"'{n}")),
        lambda table, n: table.order_by("units").limit(n + 1),
        lambda table, n: table.mutate(third=table["units"].nth(2**33 + n)),
        lambda table, n: table.mutate(
            third=table["units"].nth(2**33 + n), more=table["units"] > 2**33 + n
        ),
        lambda table, n: table.mutate(small=ibis.literal(-0.0 if n % 2 else 0.0, "float32")),
        lambda table, n: table.join(table.filter(table["units"] > micros(n)).view(), "shop"),
        lambda table, n: table.filter(table["units"] < micros(1)).union(
            table.filter(table["units"] < micros(n))
        ),
        lambda table, n: table.semi_join(
            ibis.memtable(pa.table({"shop": [f"s{n}"], "x": [1.5]})), "shop"
        ),
    ],
)
def test_sql_is_what_ibis_writes(connection: Any, build: Build) -> None:
    for number in range(6):
        connection.raw_sql(f'CREATE TABLE "t ""{number}" (a INT)')
        table = ibis.table(SCHEMA, name="unbound")
        expression = build(table, number)
        assert connection.compile(expression) == plain(connection, expression)


def test_a_table_of_another_name_has_its_own_sql(connection: Any, written: list[Any]) -> None:
    for name in ('a"b', "tab 1", "tab 2", ":hole:0:"):
        connection.raw_sql(f'CREATE TABLE "{name.replace(chr(34), chr(34) * 2)}" (n BIGINT)')
        table = connection.table(name)
        some = table.filter(table.n > 1)
        expression = some.aggregate(n=some.count())
        assert expression.to_pyarrow().to_pylist() == [{"n": 0}]
        before = len(written)
        assert connection.compile(expression) == plain(connection, expression)
        assert len(written) - before == (2 if name == 'a"b' else 1), "the plain one is written"


def test_ibis_writes_a_query_twice_and_never_again(connection: Any, written: list[Any]) -> None:
    table = ibis.table(SCHEMA, name="unbound")
    for number in range(5):
        connection.compile(table.filter(table["at"] >= instant(number)))
    assert len(written) == 2
    connection.compile(table.filter(table["at"] > instant(1)))
    assert len(written) == 3, "another comparison"
    other = ibis.table(SCHEMA | {"more": "int64"}, name="unbound")
    connection.compile(other.filter(other["at"] >= instant(1)))
    assert len(written) == 4, "a table of other columns"


def test_a_value_that_determines_more_has_no_template(connection: Any, written: list[Any]) -> None:
    table = ibis.table(SCHEMA, name="unbound")
    for number in range(4):
        expression = table.mutate(x=table["units"].nth(2**33 + number))
        assert f"{2**33 + number + 1}" in connection.compile(expression)
    assert len(written) == 5, "each of the four, and the one that was no template"


def test_a_column_may_have_the_name_of_a_mark(connection: Any) -> None:
    for number in range(4):
        connection.raw_sql(f'CREATE TABLE t{number} (":hole:0:" BIGINT, b BIGINT)')
        expression = connection.table(f"t{number}").select(":hole:0:")
        assert connection.compile(expression) == plain(connection, expression)


def test_options_are_left_to_ibis(connection: Any) -> None:
    table = ibis.table(SCHEMA, name="unbound")
    for _ in range(3):
        assert connection.compile(table, limit=3).endswith("LIMIT 3")
        assert "\n" in connection.compile(table, pretty=True)
        assert "LIMIT" not in connection.compile(table)


def test_the_templates_are_bounded(connection: Any) -> None:
    table = ibis.table(SCHEMA, name="unbound")
    for number in range(MOST + 5):
        connection.compile(table.limit(number + 1))
    assert len(QueryTemplates._templates) == MOST


def test_frames_as_of_other_instants(
    connection: Any, sales_model: Callable[..., ModelSpec], written: list[Any]
) -> None:
    spec = sales_model().frame
    for number in range(4):
        streams = {}
        for name, stream in spec.streams.items():
            columns = {column: KINDS[kind.value] for column, kind in stream.columns.items()}
            columns = {"event_time": "TIMESTAMP", "known_time": "TIMESTAMP"} | columns
            declared = ", ".join(f'"{column}" {kind}' for column, kind in columns.items())
            connection.raw_sql(f'CREATE TABLE "{name}{number}" ({declared})')
            streams[name] = connection.table(f"{name}{number}")
        at = START + timedelta(days=7 * number, seconds=number)
        frame = build_frame(spec, streams, at, Window(at - timedelta(days=14), at))
        del written[:]
        sql = connection.compile(frame)
        assert len(written) == (1 if number < 2 else 0)
        assert sql == plain(connection, frame)


def test_a_cached_table_has_the_types_that_ibis_declares(connection: Any) -> None:
    rows = connection.sql('SELECT range AS n, \'a\' AS "t""x" FROM range(3)')
    for _ in range(3):
        sums = rows.group_by('t"x').aggregate(n=rows.n.sum())
        with sums.cache() as cached:
            assert cached.schema() == sums.schema()
            assert cached.to_pyarrow().to_pylist() == [{'t"x': "a", "n": 3}]
