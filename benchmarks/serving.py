"""One row in, one prediction out, over HTTP: ``gauntlet serve`` and ``mlflow models serve``.

    python benchmarks/serving.py              both at 50 and 200 requests a second, into RESULTS.md
    python benchmarks/serving.py --load 500   ours alone: a minute at this rate, ten switches

The same registered version, two workers and one OpenMP thread for each side, which get requests in
turn; callers in a process of their own on the same cores. Ours looks features up and has each
answer on the disk before it is given; MLflow is sent finished features and keeps nothing. A wait
counts from when a request was due.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import yaml
from run_all import write_section

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from pipelines.features.online.lookup import look_up  # noqa: E402
from pipelines.wiring import connect  # noqa: E402
from tests.support.pharmacy import Pharmacy  # noqa: E402
from tests.support.servers import free_port  # noqa: E402
from tests.support.services.running import (  # noqa: E402 - the tests are no installed package
    build_serving_home,
    make_champion,
    points_of,
    serving,
    start_load,
    start_requests,
)

RATES = (50.0, 200.0)
SECONDS = 15.0
REPETITIONS = 3
SWITCHES = 10


def main() -> None:
    """Measure one of the two; the last line is JSON."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--load", type=float, help="requests a second, for a minute of switches")
    parser.add_argument("--seconds", type=float, default=60.0, help="of --load")
    parser.add_argument("--home", type=Path, help="folder that is kept and used again")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="gauntlet-serving-") as scratch:
        folder = given.home or Path(scratch)
        pharmacy = Pharmacy(folder / "home", str(folder / "store"))
        if not pharmacy.home.exists():
            print("two versions of a model, of 150 trees", flush=True)
            declared = yaml.safe_load((ROOT / "models" / "demand.yaml").read_text("utf-8"))
            pharmacy = build_serving_home(folder, estimator=declared["estimator"])
        if given.load:
            title = f"serving: {given.load:,.0f} requests a second while the champion is switched"
            section, answer = switched(pharmacy, Path(scratch), given.load, given.seconds)
        else:
            title = "serving, one row"
            section, answer = compared(pharmacy, Path(scratch))
    write_section(title, section)
    print(json.dumps(answer))
    if answer.get("failed"):
        raise SystemExit(f"{answer['failed']} requests failed")


def compared(pharmacy: Pharmacy, scratch: Path) -> tuple[str, dict[str, Any]]:
    """Both sides at each rate, the best of a few repetitions by p99."""
    parts = connect(pharmacy.settings)
    points, folder = points_of(pharmacy), version_folder(pharmacy)
    spec = parts.load_spec("demand")
    values = look_up(spec, parts.online, points, parts.clock.now()).values
    rows = [list(row) for row in zip(*(values[name] for name in spec.feature_names), strict=True)]
    columns = list(spec.feature_names)
    theirs: list[Any] = [{"dataframe_split": {"columns": columns, "data": [row]}} for row in rows]
    ours: list[Any] = [{"points": [point]} for point in points]
    began = os.getloadavg()[0]
    with (
        serving(pharmacy) as service,
        serving(pharmacy.twin(scratch / "twin"), GAUNTLET_SERVE_FSYNC="false") as without,
        mlflow_server(folder, scratch) as (pid, address),
    ):
        path = "/v1/models/demand/predict"
        targets = {
            "gauntlet": (service.process.pid, service.address, path, ours),
            "gauntlet, no fsync": (without.process.pid, without.address, path, ours),
            "mlflow": (pid, address, "/invocations", theirs),
        }
        sides, floor = measured(targets, scratch, pharmacy.home)
        ours_first = [
            service.predict(point)[1]["predictions"][0]["prediction"] for point in points[:20]
        ]
        theirs_first = [
            post(f"{address}/invocations", body)["predictions"][0] for body in theirs[:20]
        ]
    assert ours_first == theirs_first, "the two sides do not answer the same"
    answer = {"load_before": began, "sides": sides, "disk": floor}
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
    times = {
        name: " and ".join(
            f"{theirs['p99_ms'] / ours['p99_ms']:.1f}"
            for ours, theirs in zip(sides[name], sides["mlflow"], strict=True)
        )
        for name in sides
    }
    disk = ", ".join(
        f"{one['p50_ms']:.1f} and {one['p99_ms']:.1f} ms at {one['rate']:,.0f} a second"
        for one in floor
    )
    failed = sum(one["failed"] for runs in sides.values() for one in runs)
    lines += [
        "",
        f"MLflow's p99 is {times['gauntlet']} times ours, and {times['gauntlet, no fsync']} times",
        f"ours without fsync. {failed} requests failed. Best of {REPETITIONS} by p99,",
        f"{SECONDS:.0f} s each, two workers and one OpenMP thread on each side. Ours looks",
        "features up and has every answer on the disk before it is given (with the kernel, where",
        "GAUNTLET_SERVE_FSYNC is false: then a kill still loses nothing, a power cut may); MLflow",
        "is sent finished features and logs nothing. The least that an answer on the disk waits",
        "there, measured in turn with the sides, a page written over in a file and fdatasync: p50",
        f"and p99 {disk}.",
        "The same answers from both, checked.",
        "CPU and memory (PSS: what processes share is divided among them) are of all processes,",
        "also of the one that ships and follows the registry.",
        f"{began:.1f} processes wanted a core when it began.",
    ]
    return "\n".join(lines), answer


def measured(
    targets: dict[str, tuple[int, str, str, list[Any]]], scratch: Path, journal: Path
) -> tuple[dict[str, list[dict[str, Any]]], list[dict[str, float]]]:
    """Every rate, the sides and the journal's disk in turn, so that all meet the same machine."""
    floor: list[dict[str, float]] = []
    best: dict[str, list[dict[str, Any]]] = {name: [] for name in targets}
    for _pid, address, path, bodies in targets.values():
        start_requests(address, path, bodies, scratch, {"rate": 50, "seconds": 3}).done()  # warm
    for rate in RATES:
        runs: dict[str, list[dict[str, Any]]] = {name: [] for name in targets}
        waits: list[list[float]] = []
        for _ in range(REPETITIONS):
            waits.append(disk_ms(journal, rate, SECONDS / 3))
            for name, (pid, address, path, bodies) in targets.items():
                before = cpu_s(pid)
                report = start_requests(
                    address, path, bodies, scratch, {"rate": rate, "seconds": SECONDS}
                ).done()
                report["cpu_ms"] = 1e3 * (cpu_s(pid) - before) / max(1, report["answered"])
                report["mib"] = mib(pid)
                summary = {key: report[key] for key in ("per_s", "p50_ms", "p99_ms", "cpu_ms")}
                print(name, rate, summary, f"load {os.getloadavg()[0]:.1f}", flush=True)
                runs[name].append(report)
        for name, found in runs.items():
            best[name].append(min(found, key=lambda run: run["p99_ms"] or float("inf")))
        quantiles = [np.quantile(each, (0.5, 0.99)).tolist() for each in waits]
        p50, p99 = min(quantiles, key=lambda each: each[1])
        floor.append({"rate": rate, "p50_ms": p50, "p99_ms": p99})
        print("disk", floor[-1], flush=True)
    return best, floor


def switched(
    pharmacy: Pharmacy, scratch: Path, rate: float, seconds: float
) -> tuple[str, dict[str, Any]]:
    """A load while the champion is switched ten times."""
    parts, began = connect(pharmacy.settings), os.getloadavg()[0]
    with serving(pharmacy, "--every", "0.5") as service:
        start_load(
            service, points_of(pharmacy), scratch, rate=50, seconds=3, patience_s=10
        ).done()  # warm
        load = start_load(
            service, points_of(pharmacy), scratch, rate=rate, seconds=seconds, patience_s=10
        )
        before = cpu_s(service.process.pid)
        for number in range(SWITCHES):
            time.sleep(seconds / (SWITCHES + 1))
            make_champion(parts, "21"[number % 2])
        report = load.done()
        report["cpu_ms"] = 1e3 * (cpu_s(service.process.pid) - before) / report["answered"]
    versions = [
        row["version"]
        for line in load.answers.read_bytes().splitlines()
        for row in json.loads(line)["predictions"]
    ]
    report["load_before"] = began
    share = sorted(Counter(versions).items())
    lines = [
        f"{report['answered']:,} of {report['sent']:,} requests were answered and",
        f"{report['failed']} failed, in {seconds:.0f} s with {SWITCHES} switches.",
        f"Wait p50 {report['p50_ms']:.1f} ms, p99 {report['p99_ms']:.1f} ms, worst",
        f"{report['worst_ms']:.0f} ms; {report['cpu_ms']:.2f} ms of processor for a request.",
        f"Answers by version: {', '.join(f'{number:,} by {each}' for each, number in share)}.",
        "Two workers, the callers on the same cores;",
        f"{began:.1f} processes wanted a core when it began.",
    ]
    section = "\n".join(lines)
    return section, report


def version_folder(pharmacy: Pharmacy) -> Path:
    """The champion's directory."""
    from pipelines.flows.serving.publish import publish_plan

    return Path(publish_plan("demand", connect(pharmacy.settings).publishing).champion.folder)


@contextmanager
def mlflow_server(folder: Path, scratch: Path) -> Iterator[tuple[int, str]]:
    """``mlflow models serve`` of a version's directory: its first process and its address."""
    port = free_port()
    programs = Path(sys.executable).parent
    command = [str(programs / "mlflow"), "models", "serve", "-m", str(folder)]
    options = ["--env-manager", "local", "--port", str(port), "--workers", "2"]
    environment = os.environ | {
        "PATH": f"{programs}:{os.environ['PATH']}",  # it starts uvicorn by name
        "OMP_NUM_THREADS": "1",
        "MLFLOW_DISABLE_TELEMETRY": "true",
    }
    with (scratch / "mlflow.log").open("wb") as log:
        process = subprocess.Popen(
            [*command, *options], env=environment, stdout=log, stderr=subprocess.STDOUT
        )
    address = f"http://127.0.0.1:{port}"
    family: list[psutil.Process] = []
    try:
        for _ in range(600):
            try:
                urllib.request.urlopen(f"{address}/ping", timeout=5).read()
                break
            except (urllib.error.URLError, OSError):
                time.sleep(0.2)
        else:
            raise SystemExit((scratch / "mlflow.log").read_text()[-2000:])
        family = psutil.Process(process.pid).children(recursive=True)
        yield process.pid, address
    finally:
        process.terminate()
        process.wait(30)
        for left in psutil.wait_procs(family, timeout=10)[1]:
            left.kill()


def post(address: str, body: Any) -> Any:
    """One request's answer."""
    request = urllib.request.Request(
        address, json.dumps(body).encode(), {"Content-Type": "application/json"}
    )
    return json.loads(urllib.request.urlopen(request, timeout=30).read())


def family_of(pid: int) -> list[psutil.Process]:
    """A process and all that it started."""
    first = psutil.Process(pid)
    return [first, *first.children(recursive=True)]


def cpu_s(pid: int) -> float:
    """Processor seconds of a side so far."""
    return float(sum(sum(one.cpu_times()[:2]) for one in family_of(pid)))


def mib(pid: int) -> float:
    """Memory of a side; what processes share is divided among those that do."""
    return float(sum(one.memory_full_info().pss for one in family_of(pid))) / 2**20


def disk_ms(folder: Path, rate: float, seconds: float) -> list[float]:
    """What a page waits for the disk, ms, written over in a file as often as requests come."""
    taken = []
    with (folder / "floor").open("wb", buffering=0) as file:
        for _ in range(int(rate * seconds)):
            time.sleep(1 / rate)
            began = time.perf_counter()
            os.pwrite(file.fileno(), b"x" * 4096, 0)
            os.fdatasync(file.fileno())
            taken.append(1e3 * (time.perf_counter() - began))
    return taken


if __name__ == "__main__":
    main()
