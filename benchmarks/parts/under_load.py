"""Our service under a load: while the champion is switched, and through a spike."""

from __future__ import annotations

import json
import os
import time
from collections import Counter
from pathlib import Path
from typing import Any

from parts.servers import cpu_s, mib
from pipelines.adapters.objects.local import LocalStore
from pipelines.wiring import connect
from tests.support.pharmacy import Pharmacy
from tests.support.services.running import (
    check_log,
    make_champion,
    points_of,
    serving,
    start_load,
    start_requests,
)

SWITCHES = 10
TIMES = 10  # the sustained rate, in a spike
CALLERS = 400  # connections of a spike
AROUND_S = 20.0  # before a spike, and after it


def switched(
    pharmacy: Pharmacy, scratch: Path, rate: float, seconds: float
) -> tuple[str, dict[str, Any]]:
    """A load while the champion is switched ten times."""
    parts, began = connect(pharmacy.settings), os.getloadavg()[0]
    with serving(pharmacy, "--every", "0.5") as service:
        points, pid = points_of(pharmacy), service.process.pid
        start_load(service, points, scratch, rate=50, seconds=3, patience_s=10).done()  # warm
        still = start_load(
            service, points, scratch, rate=rate, seconds=seconds / 3, patience_s=10
        ).done() | {"mib": mib(pid)}
        load = start_load(service, points, scratch, rate=rate, seconds=seconds, patience_s=10)
        before = cpu_s(pid)
        for number in range(SWITCHES):
            time.sleep(seconds / (SWITCHES + 1))
            make_champion(parts, "21"[number % 2])
        report = load.done()
        report["cpu_ms"] = 1e3 * (cpu_s(pid) - before) / report["answered"]
        report["mib"] = mib(pid)
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
        f"Wait p50 {report['p50_ms']:.1f} ms, p99 {report['p99_ms']:.1f} ms (without switches",
        f"{still['p50_ms']:.1f} and {still['p99_ms']:.1f} ms), worst {report['worst_ms']:.0f} ms;",
        f"{report['cpu_ms']:.2f} ms of processor for a request.",
        f"Answers by version: {', '.join(f'{number:,} by {each}' for each, number in share)}.",
        "Two workers, the callers on the same cores;",
        f"{began:.1f} processes wanted a core when it began.",
    ]
    return "\n".join(lines), report | by_p99(report, still) | {"rows": report["sent"]}


def spiked(
    pharmacy: Pharmacy, scratch: Path, rate: float, seconds: float
) -> tuple[str, dict[str, Any]]:
    """A rate, ten times the rate, and the rate again; then the log is compared with the answers.

    Raises:
        AssertionError: when an acknowledged answer is not in the log, or is there twice.
    """
    began, phases = os.getloadavg()[0], dict[str, dict[str, Any]]()
    bodies = [{"points": [point]} for point in points_of(pharmacy)]
    acknowledged = list[str]()
    with serving(pharmacy) as service:
        for name, times, lasts in (
            ("before", 1, AROUND_S),
            ("spike", TIMES, seconds),
            ("after", 1, AROUND_S),
        ):
            options = {"rate": times * rate, "seconds": lasts, "connections": CALLERS}
            path, before = "/v1/models/demand/predict", cpu_s(service.process.pid)
            load = start_requests(service.address, path, bodies, scratch, options)
            report = load.done()
            report |= {"cpu_s": cpu_s(service.process.pid) - before}
            report |= {"mib": mib(service.process.pid)}
            acknowledged += load.acknowledged()
            phases[name] = report
    check_log(pharmacy, acknowledged, LocalStore(Path(pharmacy.store)))
    lines = [
        "| | requests a second | sent | answered | 429 | other | p50, ms | p99, ms | worst, ms |",
        "|---|---:|---:|---:|---:|---:|---:|---:|---:|",
    ]
    for name, one in phases.items():
        per_s = rate * (TIMES if name == "spike" else 1)
        refused = one["statuses"].get("429", 0)
        other = one["sent"] - one["answered"] - refused
        lines.append(
            f"| {name} | {per_s:,.0f} | {one['sent']:,} | {one['answered']:,} | {refused:,} "
            f"| {other:,} | {one['p50_ms']:.1f} | {one['p99_ms']:.1f} | {one['worst_ms']:.0f} |"
        )
    first = ", ".join(f"{wait:.0f}" for wait in phases["after"]["by_second_ms"][:5] if wait)
    lines += [
        "",
        f"The spike lasted {seconds:.0f} s. All {len(acknowledged):,} acknowledged answers are in",
        f"the log once. The p99 of the first seconds after it was {first} ms.",
        f"{CALLERS} connections, two workers, the callers on the same cores;",
        f"{began:.1f} processes wanted a core when it began.",
    ]
    answer = by_p99(phases["after"], phases["before"])
    answer["rows"] = sum(one["sent"] for one in phases.values())
    return "\n".join(lines), answer | {"phases": phases, "load_before": began}


def by_p99(one: dict[str, Any], two: dict[str, Any]) -> dict[str, float]:
    """The figures of the convention: the p99 of two loads."""
    return {
        "ours_s": one["p99_ms"] / 1e3,
        "theirs_s": two["p99_ms"] / 1e3,
        "ratio": round(two["p99_ms"] / one["p99_ms"], 2),
        "ours_mib": round(one["mib"]),
        "theirs_mib": round(two["mib"]),
    }
