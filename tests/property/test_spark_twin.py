"""The same definitions on Spark: each value is DuckDB's and the slow twin's, to the last bit.

Needs PySpark and Java, which `make spark-test` has in an environment of its own.
"""

from __future__ import annotations

import os
import shutil
import sys
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import ibis
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from pipelines.core.time import MICROSECOND
from pipelines.features.frame import build_frame
from pipelines.features.online.materialize import fill
from pipelines.features.online.views import view_rows
from pipelines.spec.model import ModelSpec
from pipelines.spec.views import feature_views
from tests.property.random_frames import (
    AS_OF,
    COLUMNS,
    CONNECTION,
    START,
    Row,
    arrow,
    declarations,
    events,
    in_order,
    tables,
)
from tests.property.twin import twin
from tests.property.view_twin import held, new_stores, one_view, state_of, twin_view, zoned

pytest.importorskip("pyspark", reason="PySpark is not installed here: see `make spark-test`")
if shutil.which("java") is None and "JAVA_HOME" not in os.environ:
    pytest.skip("Spark needs Java, and there is none", allow_module_level=True)

# A query of Spark's takes seconds, however few the rows, and a frame is one of many joins: what
# hundreds of examples find is for DuckDB's twins, and here is found where the engines differ.
FEW = settings(
    max_examples=6,
    derandomize=True,
    phases=[Phase.explicit, Phase.generate],
    suppress_health_check=list(HealthCheck),
)


@pytest.fixture(scope="module")
def spark(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """A local Spark, through Ibis."""
    from pyspark.sql import SparkSession

    folder = tmp_path_factory.mktemp("spark")
    options = {
        "spark.driver.host": "127.0.0.1",
        "spark.driver.bindAddress": "127.0.0.1",
        "spark.driver.memory": "4g",
        "spark.local.dir": str(folder),
        "spark.pyspark.python": sys.executable,
        "spark.sql.execution.arrow.pyspark.enabled": "true",
        "spark.sql.parquet.inferTimestampNTZ.enabled": "false",
        "spark.sql.session.timeZone": "UTC",
        "spark.sql.shuffle.partitions": "2",
        "spark.sql.warehouse.dir": str(folder / "warehouse"),
        "spark.ui.enabled": "false",
        "spark.ui.showConsoleProgress": "false",
    }
    builder = SparkSession.builder.master("local-cluster[2,1,1024]")
    for name, value in options.items():
        builder = builder.config(name, value)
    session = builder.getOrCreate()
    session.sparkContext.setLogLevel("ERROR")
    yield ibis.pyspark.connect(session)
    session.stop()


def on_spark(spark: Any, streams: dict[str, list[Row]]) -> dict[str, ibis.Table]:
    for name, rows in streams.items():
        spark._session.createDataFrame(arrow(rows)).createOrReplaceTempView(name)
    return {name: spark.table(name) for name in streams}


def rows_of(table: ibis.Table) -> list[Row]:
    found: list[Row] = table.to_pyarrow().to_pylist()
    return in_order(found)


def planted(rows: list[Row]) -> Counter[str]:
    """How many rows a stream has that are late, and how many that are there twice."""
    late = sum(row["known_time"] > row["event_time"] for row in rows)
    return Counter(late=late, twice=len(rows) - len({repr(row) for row in rows}))


def test_spark_builds_the_frame_of_duckdb_and_of_the_twin(spark: Any) -> None:
    compared: Counter[str] = Counter()

    @FEW
    @given(spec=declarations(), sales=events(), visits=events())
    def agrees(spec: ModelSpec, sales: list[Row], visits: list[Row]) -> None:
        streams = {"sales": sales, "visits": visits}
        here = rows_of(build_frame(spec.frame, tables(streams), AS_OF))
        there = rows_of(build_frame(spec.frame, on_spark(spark, streams), AS_OF))
        assert there == here, "Spark and DuckDB give different frames"
        if there:
            wanted = [{name: row[name] for name in there[0]} for row in twin(spec, streams)]
            assert there == in_order(wanted), "both engines say what the events do not"
        compared.update(planted(sales), rows=len(there))

    agrees()
    assert min(compared[kind] for kind in ("rows", "late", "twice")) > 0, "nothing was put to it"


def test_each_store_holds_what_spark_computes_as_of_the_materialization(
    spark: Any, tmp_path: Path, redis_server: str
) -> None:
    """Written whole and then by what changed, from Spark's rows; DuckDB and the twin agree."""
    compared: Counter[str] = Counter()

    @FEW
    @given(spec=one_view(), visits=events(), hour=st.integers(0, 90), hours=st.integers(1, 48))
    def agrees(spec: ModelSpec, visits: list[Row], hour: int, hours: int) -> None:
        [view], store = feature_views(spec), new_stores(tmp_path, redis_server)
        here, there = tables({"visits": visits}), on_spark(spark, {"visits": visits})
        every = {tuple(row[key] for key in view.entity) for row in visits}
        entities = sorted((one for one in every if None not in one), key=repr)
        first, stored = START + timedelta(hours=hour), None
        for at in (first, first + timedelta(hours=hours)):
            state = state_of(spec, view, at)
            fill(store, spec, view, there, state, replaces=stored, whole=stored is None)
            duckdb, answers = (rows_of(view_rows(spec, view, read, at)) for read in (here, there))
            assert answers == duckdb, f"Spark and DuckDB give different rows as of {at}"
            keys = len(view.entity)
            rows = [tuple(map(zoned, row.values())) for row in answers]
            by_spark = {row[:keys]: row[keys:] for row in rows}
            assert held(store, state.name, entities) == by_spark, (
                f"the stores do not hold what Spark says as of {at}"
            )
            assert by_spark == twin_view(spec, view, visits, at), (
                f"both engines say as of {at} what the events do not"
            )
            stored = state
            compared.update(planted(visits), rows=len(answers))

    agrees()
    assert min(compared[kind] for kind in ("rows", "late", "twice")) > 0, "nothing was put to it"


def many_events(size: int) -> pa.Table:
    """Sales of 60 days and 1,000 entities: some late, some without a value or key, some large."""
    chance = np.random.default_rng(4)

    def some(values: Any) -> pa.Array:
        return pa.array(values, mask=chance.random(size) < 0.05)

    first = (START - timedelta(days=60) - datetime(1970, 1, 1, tzinfo=UTC)) // MICROSECOND
    happened = first + chance.integers(0, 60 * 86_400, size) * 1_000_000
    late = happened + chance.choice([0, 0, 3_600, 86_400], size) * 1_000_000
    # Above 2**53 billionths, engines have ways of their own between doubles and decimals.
    scale = chance.choice([1.0, 1e4, 1e10], size)
    columns = {
        "event_time": pa.array(happened, pa.timestamp("us")),
        "known_time": pa.array(late, pa.timestamp("us")),
        "shop": some(chance.choice([f"shop {number}" for number in range(50)], size)),
        "item": pa.array(chance.integers(0, 20, size)),
        "amount": some(np.round(chance.normal(0, 10, size), 2) * scale / 3),
        "pieces": some(chance.integers(1, 9, size)),
        "tag": some(chance.choice(["x", "y", "z"], size)),
        "open": some(chance.random(size) < 0.5),
        "outcome": some(chance.random(size) < 0.5),
        "told_at": pa.array(late, pa.timestamp("us")),
    }
    return pa.table(columns)


@pytest.mark.slow
def test_spark_reads_parquet_and_finds_what_duckdb_finds_in_many_events(
    spark: Any, tmp_path: Path
) -> None:
    pq.write_table(many_events(20_000), tmp_path / "sales.parquet")
    requested = [
        ("count", None, ["shop", "item"], "7d"),
        ("sum", "amount", ["shop"], "28d"),
        ("mean", "amount", ["shop", "item"], "7d"),
        ("last", "tag", ["shop", "item"], "28d"),
        ("max", "amount", ["shop", "item"], "7d"),
        ("distinct", "pieces", ["shop"], "2d"),
        ("time_since", None, ["shop", "item"], "28d"),
    ]
    stream = {"event_time": "at", "known_time": "seen", "columns": COLUMNS}
    spec = ModelSpec.model_validate(
        {
            "name": "many",
            "description": "every aggregate over many events",
            "owner": "tests",
            "streams": {"sales": stream},
            "points": {
                "kind": "grid",
                "stream": "sales",
                "keys": ["shop", "item"],
                "every": "7d",
                "active_for": "28d",
            },
            "label": {
                "kind": "aggregate",
                "stream": "sales",
                "by": ["shop", "item"],
                "aggregate": "sum",
                "column": "amount",
                "horizon": "7d",
            },
            "features": [
                {"kind": "calendar", "name": "day", "part": "day", "zone": "Asia/Kolkata"},
                *(
                    {
                        "kind": "window",
                        "name": f"{aggregate}_{days}",
                        "stream": "sales",
                        "by": by,
                        "aggregate": aggregate,
                        "column": column,
                        "window": days,
                    }
                    for aggregate, column, by, days in requested
                ),
            ],
            "serving": {"every": "1d", "delay": "1h"},
            "split": {"train": "28d"},
            "estimator": {"path": "sklearn.dummy.DummyRegressor"},
            "metric": {"name": "absolute_error", "minimum_effect": 0.1},
        }
    )
    here, there = (
        build_frame(spec.frame, {"sales": engine.read_parquet(tmp_path / "sales.parquet")}, START)
        for engine in (CONNECTION, spark)
    )
    wanted, got = rows_of(here), rows_of(there)
    assert len(wanted) > 5_000
    assert got == wanted
