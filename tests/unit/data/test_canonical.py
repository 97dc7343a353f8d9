"""Types of stored columns, and columns that a stream gains: older objects have the default."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import ibis
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from pydantic import ValidationError

from pipelines.adapters.objects.local import LocalStore
from pipelines.core.errors import DataError
from pipelines.data.events import FileEvents
from pipelines.data.ingest.partitions import write_events
from pipelines.data.snapshot import Snapshot, open_streams, take_snapshot
from pipelines.spec.model import ModelSpec

Rows = Callable[..., pa.Table]
Model = Callable[..., ModelSpec]
AS_OF = datetime(2026, 1, 21, tzinfo=UTC)
COLUMNS = {"sale": "string", "shop": "string", "units": "integer"}


def read(spec: ModelSpec, folder: Path, as_of: datetime = AS_OF) -> tuple[Snapshot, list[Any]]:
    sources = {"sales": FileEvents(LocalStore(folder / "store"))}
    taken = take_snapshot(spec.streams, as_of, sources, folder / "cache")
    tables = open_streams(taken, spec.streams, folder / "cache", ibis.duckdb.connect())
    return taken, tables["sales"].order_by("sale").to_pyarrow().to_pylist()


def foreign(folder: Path, rows: pa.Table) -> None:
    """Rows in the store, as another program writes them."""
    day = folder / "store" / "sales" / "dt=2026-01-01"
    day.mkdir(parents=True)
    pq.write_table(rows, day / "foreign.parquet")


PRICES = [Decimal("1.10"), Decimal("-2.20"), None]


@pytest.mark.parametrize(
    ("column", "values", "read_as"),
    [
        ("shop", pa.array(["Łódź", "", None], pa.string_view()), ["Łódź", "", None]),
        ("shop", pa.array(["a", "b", None], pa.large_string()), ["a", "b", None]),
        ("shop", pa.array(["a", "b", None]).dictionary_encode(), ["a", "b", None]),
        ("price", pa.array(PRICES, pa.decimal128(38, 2)), [1.1, -2.2, None]),
        ("price", pa.array(PRICES, pa.decimal256(38, 2)), [1.1, -2.2, None]),
        ("price", pa.array(PRICES, pa.decimal64(9, 2)), [1.1, -2.2, None]),
        ("units", pa.array([1, 2**32 - 1, None], pa.uint32()), [1, 2**32 - 1, None]),
    ],
    ids=lambda one: str(one.type) if isinstance(one, pa.Array) else "",
)
def test_types_that_other_programs_write(
    tmp_path: Path, sales_model: Model, sales_rows: Rows, column: str, values: Any, read_as: Any
) -> None:
    foreign(tmp_path, sales_rows([1, 2, 3], **{column: values}))
    _, rows = read(sales_model(), tmp_path)
    assert [row[column] for row in rows] == read_as


@pytest.mark.parametrize(
    ("column", "values"),
    [
        ("price", pa.array(PRICES, pa.decimal256(39, 2))),
        ("price", pa.array(PRICES, pa.decimal256(50, 2))),
        ("units", pa.array([1, 2, 3], pa.uint64())),
        ("shop", pa.array([b"a", b"b", None])),
    ],
    ids=lambda one: str(one.type) if isinstance(one, pa.Array) else "",
)
def test_types_that_duckdb_does_not_hold_are_refused_by_name(
    tmp_path: Path, sales_model: Model, sales_rows: Rows, column: str, values: Any
) -> None:
    foreign(tmp_path, sales_rows([1, 2, 3], **{column: values}))
    with pytest.raises(DataError, match=f"column '{column}' is of another type") as raised:
        read(sales_model(), tmp_path)
    assert raised.value.got == str(values.type)


@pytest.mark.parametrize(
    ("kind", "default", "value"),
    [
        ("string", "it's", "new"),
        ("string", None, "new"),
        ("integer", -3, 7),
        ("float", 0.25, 1.5),
        ("float", 1e300, 1.5),
        ("boolean", False, True),
        ("timestamp", None, datetime(2026, 1, 9, tzinfo=UTC)),
    ],
)
def test_older_objects_have_the_default_and_newer_ones_their_values(
    tmp_path: Path, sales_model: Model, sales_rows: Rows, kind: str, default: Any, value: Any
) -> None:
    store = LocalStore(tmp_path / "store")
    write_events(store, "sales", sales_rows([1]), "told_at")
    added = sales_rows([2], channel=pa.array([value]))
    write_events(store, "sales", added, "told_at")
    spec = sales_model(columns={**COLUMNS, "channel": kind}, defaults={"channel": default})
    _, rows = read(spec, tmp_path)
    wanted = value.replace(tzinfo=None) if isinstance(value, datetime) else value
    assert [row["channel"] for row in rows] == [default, wanted]


def test_without_a_default_the_remedies_are_named(
    tmp_path: Path, sales_model: Model, sales_rows: Rows
) -> None:
    write_events(LocalStore(tmp_path / "store"), "sales", sales_rows([1]), "told_at")
    with pytest.raises(DataError, match="missing: channel") as raised:
        read(sales_model(columns={**COLUMNS, "channel": "string"}), tmp_path)
    assert "`defaults`" in raised.value.hint
    assert "gauntlet stream drop" in raised.value.hint
    with pytest.raises(DataError, match="another type") as raised:
        read(sales_model(columns={**COLUMNS, "shop": "integer"}), tmp_path)
    assert "gauntlet stream drop" in raised.value.hint


def test_declarations_without_defaults_mean_what_they_meant(sales_model: Model) -> None:
    stream = sales_model().streams["sales"]
    assert "defaults" not in stream.meaning()


def test_a_snapshot_does_not_change_when_a_default_becomes_a_stored_value(
    tmp_path: Path, sales_model: Model, sales_rows: Rows
) -> None:
    spec = sales_model(columns={**COLUMNS, "channel": "string"}, defaults={"channel": "shop"})
    ids = []
    for name, more in (("old", {}), ("new", {"channel": ["shop"]})):
        folder = tmp_path / name
        write_events(LocalStore(folder / "store"), "sales", sales_rows([1], **more), "told_at")
        ids.append(read(spec, folder)[0].id)
    assert ids[0] == ids[1]


@pytest.mark.parametrize(
    ("defaults", "message"),
    [
        ({"chanel": "x"}, "none of the declared columns"),
        ({"units": 1.5}, "1.5 is no integer"),
        ({"units": True}, "True is no integer"),
        ({"shop": 3}, "3 is no string"),
        ({"sale": "x"}, "a column of the id has no default"),
    ],
)
def test_a_default_that_cannot_be_is_refused(
    sales_model: Model, defaults: dict[str, Any], message: str
) -> None:
    with pytest.raises(ValidationError, match=message):
        sales_model(columns=COLUMNS, defaults=defaults)


def test_names_that_differ_in_case_only_are_refused(
    tmp_path: Path, sales_model: Model, sales_rows: Rows
) -> None:
    """DuckDB takes one for the other, so the wrong one would be read."""
    store = LocalStore(tmp_path / "store")
    path = store.folder / "sales" / "dt=2026-01-02" / "a.parquet"
    path.parent.mkdir(parents=True)
    table = sales_rows([1])
    pq.write_table(table.append_column("Units", pa.array([100])), path)
    with pytest.raises(DataError, match="named twice: units"):
        read(sales_model(), tmp_path)
    other_case = table.rename_columns(["Units" if n == "units" else n for n in table.column_names])
    pq.write_table(other_case, path)
    with pytest.raises(DataError, match="missing: units"):
        read(sales_model(columns=COLUMNS, defaults={"units": 0}), tmp_path, AS_OF + timedelta(1))
