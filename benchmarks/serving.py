"""One row in, one prediction out, over HTTP: ``gauntlet serve`` and ``mlflow models serve``.

    python benchmarks/serving.py              all sides at 50, 200 and 1,000 requests a second, and
                                              requests of 1,000 rows, into RESULTS.md
    python benchmarks/serving.py --load 500   ours alone: a minute at this rate, ten switches
    python benchmarks/serving.py --spike 200  ours alone: this rate, ten times as much, this rate

The same registered version, two workers and one OpenMP thread for each side, which get requests in
turn; callers in a process of their own on the same cores. Ours looks features up and has each
answer on the disk before it is given; MLflow is sent finished features and keeps nothing. The floor
is an ASGI handler that answers with a constant, on the same HTTP server. A wait counts from when a
request was due. ``ours_s`` and ``theirs_s`` are the p99 of ours and MLflow's at 200 requests a
second; of a load or a spike, the second side is ours without it.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import yaml
from parts.convention import Benchmark
from parts.servers import cpu_s, disk_ms, floor_server, mib, mlflow_server, post

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from parts.under_load import spiked, switched  # noqa: E402 - it imports the tests' own parts

from pipelines.features.online.lookup import look_up  # noqa: E402
from pipelines.wiring import connect  # noqa: E402
from tests.support.pharmacy import Pharmacy  # noqa: E402
from tests.support.servers import free_port  # noqa: E402
from tests.support.services.running import (  # noqa: E402 - the tests are no installed package
    build_serving_home,
    points_of,
    serving,
    start_requests,
)

RATES = (50.0, 200.0, 1000.0)
USUAL = 200.0  # of which the figures of the whole are
BATCH = 1000  # rows of one request
BATCHES = 20
REPETITIONS = 3
PREDICT = "/v1/models/demand/predict"
BENCHMARK = Benchmark(
    name="serving",
    rows=3_000,
    unit="requests of a side in one run at 200 a second; no run has more or takes longer",
    limited_by=(
        "One row takes 0.67 ms of processor in a worker: 40 % for routing and the change of "
        "threads, a fifth for the online store, an eighth for the log, a tenth for the forest. "
        "In a request of 1,000 rows, each takes about 40 µs, a third of it for its row of the log."
    ),
)


@dataclass(frozen=True)
class Side:
    """A running server.

    Arguments:
        pid: of its first process.
        address: ``http://host:port``.
        path: of its requests.
        bodies: requests of one row, taken in turn.
        batch: a request of many rows.
    """

    pid: int
    address: str
    path: str
    bodies: list[Any]
    batch: Any


def main() -> None:
    """Measure one of the three; the last line is JSON."""
    parser = BENCHMARK.parser(__doc__)
    parser.add_argument("--load", type=float, help="requests a second, for a minute of switches")
    parser.add_argument("--spike", type=float, help="requests a second, and ten times as many")
    parser.add_argument("--seconds", type=float, default=60.0, help="of --load or --spike")
    parser.add_argument("--home", type=Path, help="folder that is kept and used again")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="gauntlet-serving-") as scratch:
        pharmacy = served_home(given.home or Path(scratch))
        text, answer, title = measured(given, pharmacy, Path(scratch))
    BENCHMARK.conclude(given, answer, text, title)
    if answer.get("failed"):
        raise SystemExit(f"{answer['failed']} requests failed")


def served_home(folder: Path) -> Pharmacy:
    """Two versions of a model, of 150 trees, and a filled online store."""
    pharmacy = Pharmacy(folder / "home", str(folder / "store"))
    if pharmacy.home.exists():
        return pharmacy
    declared = yaml.safe_load((ROOT / "models" / "demand.yaml").read_text("utf-8"))
    return build_serving_home(folder, estimator=declared["estimator"])


def measured(
    given: argparse.Namespace, pharmacy: Pharmacy, scratch: Path
) -> tuple[str, dict[str, Any], str]:
    """What was chosen: figures as Markdown and as JSON, and the title of their section."""
    if given.load:
        text, answer = switched(pharmacy, scratch, given.load, given.seconds)
        return (
            text,
            answer,
            f"serving: {given.load:,.0f} requests a second while the champion is switched",
        )
    if given.spike:
        text, answer = spiked(pharmacy, scratch, given.spike, given.seconds)
        return text, answer, f"serving: a spike of ten times {given.spike:,.0f} requests a second"
    text, answer = compared(pharmacy, scratch, given.rows)
    return text, answer, "serving, one row" if given.rows == BENCHMARK.rows else ""


def compared(pharmacy: Pharmacy, scratch: Path, rows: int) -> tuple[str, dict[str, Any]]:
    """All sides at each rate, the best of a few repetitions by p99; then requests of many rows."""
    parts, began = connect(pharmacy.settings), os.getloadavg()[0]
    points = points_of(pharmacy)
    spec = parts.load_spec("demand")
    values = look_up(spec, parts.online, points, parts.clock.now()).values
    data = [list(row) for row in zip(*(values[name] for name in spec.feature_names), strict=True)]

    def split(rows: list[list[Any]]) -> dict[str, Any]:
        return {"dataframe_split": {"columns": list(spec.feature_names), "data": rows}}

    ours: list[Any] = [{"points": [point]} for point in points]
    ours_batch = {"points": [points[at % len(points)] for at in range(BATCH)]}
    theirs: list[Any] = [split([row]) for row in data]
    theirs_batch = split([data[at % len(data)] for at in range(BATCH)])
    with (
        floor_server(free_port(), scratch) as (floor, floor_address),
        serving(pharmacy) as service,
        serving(pharmacy.twin(scratch / "twin"), GAUNTLET_SERVE_FSYNC="false") as without,
        mlflow_server(version_folder(pharmacy), free_port(), scratch) as (mlflow, address),
    ):
        sides = {
            "floor": Side(floor, floor_address, PREDICT, ours, ours_batch),
            "gauntlet": Side(service.process.pid, service.address, PREDICT, ours, ours_batch),
            "gauntlet, no fsync": Side(
                without.process.pid, without.address, PREDICT, ours, ours_batch
            ),
            "mlflow": Side(mlflow, address, "/invocations", theirs, theirs_batch),
        }
        found, disk = at_each_rate(sides, scratch, pharmacy.home, rows)
        batches = {name: in_batches(side, scratch) for name, side in sides.items()}
        ours_first = [
            service.predict(point)[1]["predictions"][0]["prediction"] for point in points[:20]
        ]
        theirs_first = [
            post(f"{address}/invocations", body)["predictions"][0] for body in theirs[:20]
        ]
    if ours_first != theirs_first:
        raise SystemExit("the two sides do not answer the same: nothing is compared")
    own, other = (found[name][RATES.index(USUAL)] for name in ("gauntlet", "mlflow"))
    answer = {
        "ours_s": own["p99_ms"] / 1e3,
        "theirs_s": other["p99_ms"] / 1e3,
        "ratio": round(other["p99_ms"] / own["p99_ms"], 1),
        "ours_mib": round(own["mib"]),
        "theirs_mib": round(other["mib"]),
        "load_before": began,
        "sides": found,
        "batches": batches,
        "disk": disk,
        "failed": sum(one["failed"] for name in ("gauntlet", "floor") for one in found[name]),
    }
    return section(answer), answer


def section(answer: Mapping[str, Any]) -> str:
    """The figures as Markdown."""
    sides, batches = answer["sides"], answer["batches"]
    lines = [
        "| requests a second | side | answered | p50, ms | p99, ms | worst, ms | CPU, ms | MiB |",
        "|---:|---|---:|---:|---:|---:|---:|---:|",
    ]
    for place, rate in enumerate(RATES):
        for name, runs in sides.items():
            one = runs[place]
            lines.append(
                f"| {rate:,.0f} | {name} | {one['per_s']:,.0f} | {one['p50_ms']:.1f} "
                f"| {one['p99_ms']:.1f} | {one['worst_ms']:.0f} | {one['cpu_ms']:.2f} "
                f"| {one['mib']:,.0f} |"
            )
    place = RATES.index(USUAL)
    own, floor = sides["gauntlet"][place], sides["floor"][place]
    over = [own[each] - floor[each] for each in ("p50_ms", "p99_ms", "cpu_ms")]
    disk = ", ".join(
        f"{one['p50_ms']:.1f} and {one['p99_ms']:.1f} ms at {one['rate']:,.0f} a second"
        for one in answer["disk"]
    )
    lines += [
        "",
        f"At {USUAL:,.0f} requests a second with fsync, ours is {over[0]:.1f} ms above the floor",
        f"at p50 and {over[1]:.1f} ms at p99, and takes {over[2]:.2f} ms more of processor.",
        f"MLflow's p99 is {answer['ratio']:.1f} times ours. {answer['failed']} of our requests",
        f"failed. Best of {REPETITIONS} by p99, two workers and one OpenMP thread on each side.",
        "Ours looks features up and has every answer on the disk before it is given (with the",
        "kernel, where GAUNTLET_SERVE_FSYNC is false: then a kill still loses nothing, a power",
        "cut may); MLflow is sent finished features and logs nothing. The floor is an ASGI",
        "handler that answers with a constant, on the same HTTP server. The least that an answer",
        "on the disk waits there, measured in turn with the sides, a page written over in a file",
        "and fdatasync: p50",
        f"and p99 {disk}.",
        "The same answers from both, checked.",
        "CPU and memory (PSS: what processes share is divided among them) are of all processes,",
        "also of the one that ships and follows the registry.",
        f"{answer['load_before']:.1f} processes wanted a core when it began.",
        "",
        f"Requests of {BATCH:,} rows, one after the other:",
        "",
        "| side | rows a second | ms each | CPU of a row, µs |",
        "|---|---:|---:|---:|",
    ]
    lines += [
        f"| {name} | {one['rows_s']:,.0f} | {one['request_ms']:.0f} | {one['cpu_us']:.1f} |"
        for name, one in batches.items()
    ]
    return "\n".join(lines)


def at_each_rate(
    sides: Mapping[str, Side], scratch: Path, journal: Path, rows: int
) -> tuple[dict[str, list[dict[str, Any]]], list[dict[str, float]]]:
    """Every rate, the sides and the journal's disk in turn, so that all meet the same machine."""
    disk: list[dict[str, float]] = []
    best: dict[str, list[dict[str, Any]]] = {name: [] for name in sides}
    for side in sides.values():
        requests(side, side.bodies, scratch, rate=50, seconds=3)  # warm
    for rate in RATES:
        seconds = min(rows / USUAL, rows / rate)
        runs: dict[str, list[dict[str, Any]]] = {name: [] for name in sides}
        waits: list[list[float]] = []
        for _ in range(REPETITIONS):
            waits.append(disk_ms(journal, rate, seconds / 3))
            for name, side in sides.items():
                report = requests(side, side.bodies, scratch, rate=rate, seconds=seconds)
                report["cpu_ms"] = 1e3 * report["cpu_s"] / max(1, report["answered"])
                report["mib"] = mib(side.pid)
                summary = {key: report[key] for key in ("per_s", "p50_ms", "p99_ms", "cpu_ms")}
                load = f"load {os.getloadavg()[0]:.1f}"
                print(name, rate, summary, load, file=sys.stderr, flush=True)
                runs[name].append(report)
        for name, found in runs.items():
            best[name].append(min(found, key=lambda run: run["p99_ms"] or float("inf")))
        quantiles = [np.quantile(each, (0.5, 0.99)).tolist() for each in waits]
        p50, p99 = min(quantiles, key=lambda each: each[1])
        disk.append({"rate": rate, "p50_ms": p50, "p99_ms": p99})
    return best, disk


def in_batches(side: Side, scratch: Path) -> dict[str, float]:
    """Requests of many rows by one caller, each sent when the one before it was answered."""
    requests(side, [side.batch], scratch, rate=BATCHES, seconds=0.1, connections=1)  # warm
    rate = 10 * BATCHES  # more than is answered: the one connection is never idle
    report = requests(side, [side.batch], scratch, rate=rate, seconds=BATCHES / rate, connections=1)
    if report["failed"]:
        raise SystemExit(f"a request of {BATCH} rows was not answered: {report['complaints']}")
    return {
        "rows_s": BATCH * report["per_s"],
        "request_ms": 1e3 / report["per_s"],
        "cpu_us": 1e6 * report["cpu_s"] / (BATCH * report["answered"]),
    }


def requests(side: Side, bodies: list[Any], scratch: Path, **options: float) -> dict[str, Any]:
    """What became of some requests to a side, and the processor seconds that it took."""
    before = cpu_s(side.pid)
    report = start_requests(side.address, side.path, bodies, scratch, options).done()
    return report | {"cpu_s": cpu_s(side.pid) - before}


def version_folder(pharmacy: Pharmacy) -> Path:
    """The champion's directory."""
    from pipelines.flows.serving.publish import publish_plan

    return Path(publish_plan("demand", connect(pharmacy.settings).publishing).champion.folder)


if __name__ == "__main__":
    main()
