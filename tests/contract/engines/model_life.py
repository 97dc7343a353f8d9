"""The commands that read events on an engine, and what they leave: to compare two engines."""

from __future__ import annotations

import json
import math
import shutil
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import yaml

from pipelines.adapters.objects.local import LocalStore
from pipelines.core.files import sha256_of
from pipelines.core.time import FixedClock
from pipelines.core.weeks import WEEK
from pipelines.data.ingest.partitions import write_events
from pipelines.flows.backfill import BackfillRequest, open_backfill
from pipelines.flows.features.materialize import materialize
from pipelines.flows.monitor.run import monitor
from pipelines.flows.retrain.request import Request
from pipelines.flows.retrain.steps import retrain
from pipelines.flows.serving.batch_score import score
from pipelines.settings import Settings
from pipelines.wiring import connect
from tests.support.sales_home import AS_OF, NOT_NULL, declaration, rows
from tests.support.services.mlflow_database import put_database

QUANTILES = {"quantiles": [0.1, 0.5, 0.9], "value_ranges": [[0, 9], [1, 9], [2, 20]]}
SUITE = {
    "name": "sales",
    "expectations": [
        NOT_NULL,
        {"type": "expect_column_values_to_be_unique", "kwargs": {"column": "sale"}},
        {
            "type": "expect_column_values_to_match_regex",
            "kwargs": {"column": "shop", "regex": r"^shop \d+$"},
        },
        {
            "type": "expect_column_quantile_values_to_be_between",
            "kwargs": {"column": "units", "quantile_ranges": QUANTILES},
        },
        {
            "type": "expect_column_quantile_values_to_be_between",
            "kwargs": {
                "column": "price",
                "quantile_ranges": {"quantiles": [0.3], "value_ranges": [[0, 50]]},
                "allow_relative_error": "linear",
            },
        },
        *(
            {
                "type": f"expect_column_{what}_to_be_between",
                "kwargs": {"column": column, "min_value": 0, "max_value": 1e6},
            }
            for what in ("min", "max", "mean", "median", "stdev", "sum")
            for column in ("price", "units")
        ),
    ],
}


def declared() -> dict[str, Any]:
    """The model of ``sales_home``, whose sales have an id and become known later."""
    model = declaration()
    stream = model["streams"]["sales"]
    stream["known_time"], stream["id"] = "known_at", ["sale"]
    stream["columns"] = {"sale": "string", "price": "float", **stream["columns"]}
    window = {"kind": "window", "stream": "sales", "by": ["shop"], "window": "7d"}
    model["features"] += [
        {**window, "name": "price", "aggregate": "mean", "column": "price"},
        {**window, "name": "kinds", "aggregate": "distinct", "column": "kind"},
        {"kind": "calendar", "name": "weekday", "part": "weekday"},
    ]
    model["label"]["delay"] = "1d"
    model["serving"] = {"every": "1d"}
    model["split"]["max_rows"] = 300  # of 672
    return model


def events() -> pa.Table:
    """Sales that become known within a day; some are delivered twice, a few with other units."""
    table = rows()
    many = range(len(table))
    known = [at + timedelta(hours=n % 20) for n, at in enumerate(table["sold_at"].to_pylist())]
    price = [None if n % 32 == 5 else 30 + 20 * math.sin(n * 7919 / 997) for n in many]
    table = table.append_column("known_at", pa.array(known, pa.timestamp("us", "UTC")))
    table = table.append_column("price", pa.array(price, pa.float64()))
    table = table.append_column("sale", pa.array([f"s{n}" for n in many]))
    again = table.slice(40, 60)
    later = pc.add(again["known_at"], pa.scalar(timedelta(hours=30)))
    again = again.set_column(again.schema.get_field_index("known_at"), "known_at", later)
    other = again.slice(0, 9)
    more = pc.add(other["units"], 1)
    other = other.set_column(other.schema.get_field_index("units"), "units", more)
    return pa.concat_tables([table, again.slice(9), other])


def write_store(folder: Path) -> None:
    """The model's events, declaration and suite."""
    write_events(LocalStore(folder / "store"), "sales", events(), "known_at")
    (folder / "models").mkdir()
    (folder / "models" / "sales.yaml").write_text(yaml.safe_dump(declared()))
    (folder / "expectations").mkdir()
    (folder / "expectations" / "sales.json").write_text(json.dumps(SUITE))


STEPS = (
    "first materialization",
    "first retraining",
    "second materialization",
    "second retraining",
    "monitoring",
    "scoring",
    "backfill",
)


class Life:
    """A model's life on an engine, as far as it was asked for.

    Arguments:
        folder: of ``write_store``; what is scored is removed again.
        engine: ``GAUNTLET_ENGINE``.
    """

    def __init__(self, folder: Path, engine: str) -> None:
        self._coming = zip(STEPS, _life(folder, engine), strict=True)
        self._found: dict[str, dict[str, Any]] = {}

    def step(self, name: str) -> dict[str, Any]:
        """What a step gave: its report, and the SHA-256 of each file that it left.

        Steps before it are taken first. None is taken again after one that failed.
        """
        while name not in self._found:
            step, found = next(self._coming)
            self._found[step] = found
        return self._found[name]


def _life(folder: Path, engine: str) -> Iterator[dict[str, Any]]:
    home = folder / engine.partition("[")[0].partition(":")[0]
    settings = Settings(
        home=home,
        store=str(folder / "store"),
        models=folder / "models",
        expectations=folder / "expectations",
        online_url=f"sqlite:///{home}/online.db",
        engine=engine,
    )
    put_database(home / "mlflow.db")
    first, second, later = AS_OF - WEEK, AS_OF, AS_OF + timedelta(days=2)
    for as_of in (first, second):
        connections = connect(settings, clock=FixedClock(as_of))
        yield materialize("sales", as_of, connections.materialization).as_json()
        done = retrain(Request(model="sales", as_of=as_of), connections.retraining)
        assert done.decision is not None
        assert done.version is not None
        files = files_in(done.run.workspace.folder)  # has the files of the version too
        assert {"frame.parquet", "contract.json", "version/model.skops"} <= set(files)
        yield {"decision": str(done.decision), **files}
    connections = connect(settings, clock=FixedClock(later))
    yield monitor("sales", later, connections.monitoring).as_json()
    scored: dict[str, Any] = {"report": score("sales", later, connections.scoring).as_json()}
    for stream in ("predictions", "scores"):
        written = folder / "store" / stream
        [file] = written.rglob("*.parquet")
        scored[stream] = pq.read_table(file).to_pylist()
        shutil.rmtree(written)
    for row in scored["predictions"]:
        assert row.pop("latency_ms") >= 0  # measured
    yield scored
    backfill = open_backfill(
        BackfillRequest(model="sales", as_of=(first, second), from_scratch=True, reason="engines"),
        connections.retraining,
    )
    weeks = [week.as_json() for week in backfill.weeks()]
    yield {"weeks": weeks, **files_in(connections.retraining.runs.folder)}


def files_in(folder: Path) -> dict[str, str]:
    """The SHA-256 of each file below a folder."""
    return {
        path.relative_to(folder).as_posix(): sha256_of(path)
        for path in folder.rglob("*")
        if path.is_file()
    }
