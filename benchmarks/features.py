"""Fill an online store with 200 thousand entities and read from it; Feast for comparison.

python benchmarks/features.py [--rows 200000] [--json]

The same SQLite and the same Redis for both. Ours computes its values from two million events; Feast
computes no windows, so that it is given ours, finished, as a Parquet file. Feast runs in an
environment of its own, made here with uv; without uv, Feast or Redis the script ends with an error.
"""

from __future__ import annotations

import argparse
import json
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import ibis
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from parts.convention import Benchmark
from parts.measuring import Meter, Step, latencies, run_side, side_by_side, total

from pipelines.features.online.lookup import look_up
from pipelines.features.online.materialize import fill
from pipelines.features.online.store import ViewState
from pipelines.features.online.views import view_definitions, view_rows
from pipelines.settings import Settings
from pipelines.spec.model import ModelSpec
from pipelines.spec.views import FeatureView, feature_views
from pipelines.stores import open_online

HERE = Path(__file__).resolve().parent
FEAST = ["feast[redis]>=0.67,<0.68", "pandas<3"]
AS_OF = datetime(2026, 3, 2, tzinfo=UTC)
EVENTS_EACH = 10
BENCHMARK = Benchmark(
    name="features",
    rows=200_000,
    unit="entities",
    limited_by=(
        "The window query in DuckDB takes about 40 %, and encoding each row and key as JSON in "
        "Python a third. SQLite's own inserts take less than a tenth."
    ),
)
NOTES = [
    "Ours computes the three features from ten events of each entity and stores them; Feast is",
    "given the finished values. Reading is one call for all three features of 1 or 100 entities.",
]


def declared() -> ModelSpec:
    """One view of three features."""
    window = {"kind": "window", "stream": "buys", "by": ["user"], "column": "amount"}
    return ModelSpec.model_validate(
        {
            "name": "bench",
            "description": "what users spend",
            "owner": "benchmarks",
            "streams": {
                "buys": {
                    "event_time": "at",
                    "known_time": "seen",
                    "columns": {"user": "integer", "amount": "float"},
                }
            },
            "points": {"kind": "grid", "stream": "buys", "keys": ["user"], "every": "1d"},
            "label": {
                "kind": "aggregate",
                "stream": "buys",
                "by": ["user"],
                "aggregate": "count",
                "horizon": "1d",
            },
            "features": [
                window | {"name": "count_7d", "aggregate": "count", "column": None, "window": "7d"},
                window | {"name": "sum_28d", "aggregate": "sum", "window": "28d"},
                window | {"name": "last", "aggregate": "last", "window": "28d"},
            ],
            "serving": {"every": "1d", "ttl": "3650d"},
            "split": {"train": "28d"},
            "estimator": {"path": "sklearn.dummy.DummyRegressor"},
            "metric": {"name": "absolute_error", "minimum_effect": 0.1},
        }
    )


def write_input(folder: Path, rows: int) -> None:
    """Events of so many users, and what Feast is given: the values as of ``AS_OF``."""
    rng = np.random.default_rng(20260302)
    count = rows * EVENTS_EACH
    ago = rng.integers(1, 28 * 86_400_000_000, count)
    times = pa.array(int(AS_OF.timestamp() * 1e6) - ago, pa.timestamp("us"))
    events: dict[str, Any] = {
        "event_time": times,
        "known_time": times,
        "user": np.concatenate([np.arange(rows), rng.integers(0, rows, count - rows)]),
        "amount": rng.integers(1, 10_000, count) / 4,
    }
    pq.write_table(pa.table(events), folder / "events.parquet")
    spec, view, streams = opened(folder)
    names = {d: f.name for d, f in view_definitions(spec, view).items()}
    values = view_rows(spec, view, streams, AS_OF).to_pyarrow()
    values = values.rename_columns([names.get(name, name) for name in values.column_names])
    stamp = pa.array([AS_OF - timedelta(seconds=1)] * len(values), pa.timestamp("us", "UTC"))
    pq.write_table(values.append_column("event_timestamp", stamp), folder / "values.parquet")


def opened(folder: Path) -> tuple[ModelSpec, FeatureView, dict[str, ibis.Table]]:
    """The declaration, its one view, and the events."""
    spec = declared()
    [view] = feature_views(spec)
    return spec, view, {"buys": ibis.duckdb.connect().read_parquet(folder / "events.parquet")}


def ours(folder: Path, url: str, step: str, users: list[int]) -> dict[str, Any]:
    """Fill and read with this repository."""
    spec, view, streams = opened(folder)
    store, meter = open_online(Settings(online_url=url)), Meter()
    definitions = tuple(view_definitions(spec, view))
    state = ViewState(f"{spec.name}.{view.name}", AS_OF, AS_OF, definitions)
    with meter.step(step):
        fill(store, spec, view, streams, state, replaces=None, whole=True)

    def read(users: list[int]) -> dict[str, list[Any]]:
        return look_up(spec, store, [{"user": user} for user in users], AS_OF).values

    return meter.as_json() | latencies(read, users)


def theirs(python: Path, folder: Path, store: dict[str, str], **task: Any) -> dict[str, Any]:
    """Fill and read with Feast, in its environment."""
    task |= {"folder": str(folder), "store": store, "values": str(folder / "values.parquet")}
    (folder / "task.json").write_text(json.dumps(task), encoding="utf-8")
    script, out = HERE / "parts" / "with_feast.py", folder / "theirs.json"
    command = [str(python), str(script), str(folder / "task.json"), str(out)]
    done = subprocess.run(command, check=False, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    if done.returncode:
        raise SystemExit(f"Feast ended:\n{done.stderr.decode(errors='replace')[-3000:]}")
    found: dict[str, Any] = json.loads(out.read_text(encoding="utf-8"))
    return found


def feast_environment(folder: Path) -> Path:
    """The Python of a fresh environment with Feast."""
    uv = shutil.which("uv", path=str(Path(sys.executable).parent)) or shutil.which("uv")
    if uv is None:
        raise SystemExit("skipped: uv is not installed, and Feast needs an environment of its own")
    python = folder / "bin" / "python"
    for words in (
        ["venv", "--quiet", "--python", sys.executable, str(folder)],
        ["pip", "install", "--quiet", "--python", str(python), *FEAST],
    ):
        done = subprocess.run([uv, *words], capture_output=True, text=True, check=False)
        if done.returncode:
            raise SystemExit(f"skipped: Feast cannot be installed: {done.stderr.strip()[-300:]}")
    return python


@contextmanager
def redis_server(folder: Path) -> Iterator[str]:
    """``host:port`` of a Redis server that keeps nothing, as the tests start it."""
    from tests.support import servers

    server, address = servers.redis(folder)
    server.start()
    try:
        yield urlsplit(address).netloc
    finally:
        server.stop()


def measure(rows: int) -> dict[str, Any]:
    """Both sides on both stores."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        python = feast_environment(folder / "feast")
        write_input(folder, rows)
        users = np.random.default_rng(1).choice(rows, min(rows, 20_000), replace=False).tolist()
        table, reads, sides = [], list[str](), {"ours": dict[str, Step](), "theirs": {}}
        with redis_server(folder) as place:
            for kind in ("SQLite", "Redis"):
                step = f"fill, {kind}"
                url = f"sqlite:///{folder / 'ours.db'}"
                store = {"type": "sqlite", "path": str(folder / "theirs.db")}
                if kind == "Redis":
                    url = f"redis://{place}/0"
                    store = {"type": "redis", "connection_string": f"{place},db=1"}
                request = json.dumps({"folder": name, "url": url, "step": step, "users": users})
                (folder / "ours.json").write_text(request, encoding="utf-8")
                runs = {
                    "ours": run_side(Path(__file__), "ours", "--task", str(folder / "ours.json")),
                    "theirs": theirs(
                        python, folder, store, step=step, users=users, as_of=AS_OF.isoformat()
                    ),
                }
                check(runs)
                for side, run in runs.items():
                    sides[side][step] = Step(**run["steps"][step])
                compared = side_by_side(sides["ours"][step], sides["theirs"][step])
                table.append({"step": step} | compared)
                reads += [read_row(kind, size, runs) for size in (1, 100)]
    return {
        **side_by_side(total(sides["ours"]), total(sides["theirs"])),
        "steps": table,
        "repetitions": [1, 1],
        "notes": [
            *NOTES,
            "",
            "| read | ours, p50 ms | p99 | Feast, p50 ms | p99 |",
            "|---|---:|---:|---:|---:|",
            *reads,
        ],
    }


def check(runs: dict[str, dict[str, Any]]) -> None:
    """Both sides have to have answered the same."""
    if runs["ours"]["answer"] != runs["theirs"]["answer"]:
        raise SystemExit("the two sides answer differently: nothing is compared")


def read_row(kind: str, size: int, runs: dict[str, dict[str, Any]]) -> str:
    """One line of the table of reads."""
    times = [f"{ms:.2f}" for run in runs.values() for ms in run[f"read_{size}_ms"]]
    return f"| {size} of {kind} | {' | '.join(times)} |"


def main() -> None:
    """Measure and print; the last line is the JSON object."""
    parser = BENCHMARK.parser(__doc__, sides=("ours",))
    parser.add_argument("--task", type=Path, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.side:
        task = json.loads(arguments.task.read_text(encoding="utf-8"))
        task["folder"] = Path(task["folder"])
        arguments.out.write_text(json.dumps(ours(**task)), encoding="utf-8")
        return
    answer = measure(arguments.rows)
    text = "\n".join([*answer["notes"], "", *map(str, answer["steps"])])
    BENCHMARK.conclude(arguments, answer, text)


if __name__ == "__main__":
    main()
