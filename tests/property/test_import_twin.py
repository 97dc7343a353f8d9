"""What import writes, every reader accepts: pandas and pyarrow read what a run reads.

Rows of any text, number and time are written as CSV by Python and as Parquet by pyarrow, imported,
and compared: both files give the same rows, the second file adds nothing, a run reads the values
that were written, and pyarrow reads the stored objects alone.
"""

import csv
import tempfile
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pipelines.core.time import EARLIEST
from pipelines.spec.model import ModelSpec
from tests.support.imports import Imports
from tests.support.sales import sales_model

__all__ = ["sales_model"]
COLUMNS = {"sale": "string", "shop": "string", "units": "integer", "price": "float"}
COLUMNS |= {"paid": "boolean", "due": "timestamp"}
NAIVE = EARLIEST.replace(tzinfo=None)
TEXTS = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), min_size=1)
TIMES = st.datetimes(NAIVE, datetime(9998, 1, 1)).map(lambda one: one.replace(tzinfo=UTC))  # noqa: DTZ001
ROWS = st.lists(
    st.fixed_dictionaries(
        {
            "shop": TEXTS | st.none(),
            "units": st.integers(-(2**63), 2**63 - 1) | st.none(),
            "price": st.floats(allow_nan=False, allow_infinity=False) | st.none(),
            "paid": st.booleans() | st.none(),
            "due": TIMES | st.none(),
            "sold_at": TIMES,
            "delay": st.timedeltas(timedelta(0), timedelta(days=300)),
        }
    ),
    min_size=1,
    max_size=6,
)


@settings(
    max_examples=12,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(drawn=ROWS)
def test_every_reader_accepts_what_import_writes(sales_model: Any, drawn: list[Any]) -> None:
    rows = [
        {"sale": f"s{at}"}
        | {key: value for key, value in row.items() if key != "delay"}
        | {"told_at": row["sold_at"] + row["delay"]}
        for at, row in enumerate(drawn)
    ]
    spec: ModelSpec = sales_model(columns=COLUMNS)
    with tempfile.TemporaryDirectory() as folder:
        imports = Imports(Path(folder), spec)
        report = imports.run(as_csv(imports, rows))
        assert report.written == len(rows)
        again = imports.run(as_parquet(imports, rows))
        assert (again.written, again.already_there) == (0, len(rows))
        names = {"sold_at": "event_time", "told_at": "known_time"}
        wanted = [{names.get(key, key): naive(value) for key, value in row.items()} for row in rows]
        found = imports.rows()
        assert [{key: row[key] for key in one} for one, row in zip(wanted, found, strict=True)] == [
            dict(one) for one in wanted
        ]
        stored = pa.concat_tables(
            pq.ParquetFile(imports.store.folder / one.key).read() for one in report.objects
        )
        frame = stored.to_pandas(types_mapper=pd.ArrowDtype).sort_values("sale")
        assert sorted(rows[0]) == sorted(stored.column_names)
        read = stored.sort_by("sale").to_pylist()
        assert [row["price"] for row in read] == [row["price"] for row in rows]
        assert [row["shop"] for row in read] == [row["shop"] for row in rows]
        assert [row["sold_at"] for row in read] == [row["sold_at"] for row in rows]
        assert len(frame) == len(rows)


def naive(value: Any) -> Any:
    return value.replace(tzinfo=None) if isinstance(value, datetime) else value


def as_csv(imports: Imports, rows: list[dict[str, Any]]) -> Path:
    path = imports.folder / "rows.csv"
    with path.open("w", encoding="utf-8", newline="") as target:
        writer = csv.DictWriter(target, list(rows[0]))
        writer.writeheader()
        for row in rows:
            writer.writerow(
                {
                    key: value.isoformat() if isinstance(value, datetime) else value
                    for key, value in row.items()
                }
            )
    return path


def as_parquet(imports: Imports, rows: list[dict[str, Any]]) -> Path:
    types = {"units": pa.int64(), "price": pa.float64(), "paid": pa.bool_()}
    moment = pa.timestamp("us", "Asia/Tokyo")
    columns = {
        key: pa.array(
            [row[key] for row in rows],
            moment if key in ("due", "sold_at", "told_at") else types.get(key, pa.string_view()),
        )
        for key in rows[0]
    }
    pq.write_table(pa.table(columns), imports.folder / "rows.parquet")
    return imports.folder / "rows.parquet"
