"""Past weeks by one ``gauntlet backfill``, and by a ``gauntlet retrain`` for each of them.

    python benchmarks/backfill.py                             5 weeks, into RESULTS.md
    python benchmarks/backfill.py --weeks 26 --rows 1000000   more, printed only

Both sides are the commands as a person runs them, on the same simulated chain's events: one process
for the backfill, and one process after another for the retrainings. Each side starts with an empty
home, which its weeks share. So the retrainings also find the weeks of decision points that earlier
ones have kept.

Seconds of training are the processor seconds of the thread that fits a pipeline, with one OpenMP
thread. Without training means the rest of the processor seconds: by the clock, a fit that is made
ahead costs nothing, but it does cost a processor. The figures of each process are printed as well.
"""

from __future__ import annotations

import json
import os
import shutil
import sys
import time
from datetime import timedelta
from pathlib import Path
from typing import Any

import yaml
from parts.chain import AS_OF, HOME, declare, store
from parts.convention import Benchmark
from parts.measuring import Step, peak_mib, run_side, side_by_side, timed_fits

WEEK = timedelta(days=7)
WEEKS = 5  # of the section in RESULTS.md
BENCHMARK = Benchmark(
    name="backfill",
    rows=100_000,
    unit="prescriptions in 52 weeks",
    limited_by=(
        "Before its first week, a backfill replays past weeks as a retraining does, and it "
        "builds the history of all weeks for the fits that it makes ahead. Only later weeks "
        "cost less than retrainings."
    ),
)
SPLIT = {"train": "84d", "recent": "28d"}


def command(rows: int, home: Path, *arguments: str) -> dict[str, Any]:
    """One command of the product in this process; everything since the process began is counted."""
    sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
    os.environ |= {
        "GAUNTLET_HOME": str(home),
        "GAUNTLET_MODELS": str(home / "models"),
        "GAUNTLET_EXPECTATIONS": str(home / "expectations"),
        "GAUNTLET_STORE": str(store(rows)),
    }
    fits = timed_fits()
    from pipelines.cli import main as gauntlet

    sys.argv = ["gauntlet", *arguments]
    try:
        gauntlet()
    except SystemExit as end:
        if end.code:
            raise
    return {"cpu_s": time.process_time(), "fits_s": sum(fits), "fits": len(fits), "mib": peak_mib()}


def ours(rows: int, weeks: int, home: Path) -> dict[str, Any]:
    """``gauntlet backfill`` of all weeks."""
    span = ("--from", _text(weeks - 1), "--to", _text(0))
    options = ("--every", "7d", "--from-scratch", "--json")
    return command(rows, home, "backfill", "demand", *span, *options)


def theirs(rows: int, weeks: int, home: Path) -> dict[str, Any]:
    """``gauntlet retrain`` of the week that is so many weeks before the last one."""
    return command(rows, home, "retrain", "demand", "--as-of", _text(weeks))


def _text(weeks: int) -> str:
    return f"{AS_OF - weeks * WEEK:%Y-%m-%dT%H:%M:%SZ}"


def new_home(name: str) -> Path:
    """An empty home with the declaration."""
    home = HOME / f"backfill-{name}"
    shutil.rmtree(home, ignore_errors=True)
    declare(home)
    path = home / "models" / "demand.yaml"
    declared = yaml.safe_load(path.read_text(encoding="utf-8")) | {"split": SPLIT}
    path.write_text(yaml.safe_dump(declared, sort_keys=False), encoding="utf-8")
    return home


def measure(side: str, rows: int, weeks: int) -> dict[str, Any]:
    """All processes of one side together, and its decisions."""
    new_home(side)
    runs = [weeks] if side == "ours" else [*reversed(range(weeks))]
    found, began = [], time.perf_counter()
    for number in runs:
        arguments = ("--rows", str(rows), "--weeks", str(number))
        found.append(run_side(Path(__file__).resolve(), side, *arguments))
        print(f"{side} {number}: {json.dumps(found[-1])}", file=sys.stderr, flush=True)
    wall = time.perf_counter() - began
    added = {name: sum(one[name] for one in found) for name in ("cpu_s", "fits_s", "fits")}
    peak = max(one["mib"] for one in found)
    return added | {"wall_s": wall, "mib": peak, "decisions": decisions(side)}


def decisions(side: str) -> list[tuple[str, str, str | None]]:
    """Instant, outcome and snapshot of each week, of the only lineage decided."""
    from pipelines.adapters.database import open_engine
    from pipelines.adapters.ledger.sql import SqlLedger
    from pipelines.core.time import FixedClock

    path = HOME / f"backfill-{side}" / "ledger.db"
    ledger = SqlLedger(open_engine(f"sqlite:///{path}"), FixedClock(AS_OF))
    lineages = ledger.lineages("demand")
    entries = [e for one in lineages for e in ledger.entries("demand", one) if e.decision]
    return [(str(e.as_of), str(e.outcome), e.snapshot) for e in entries]


def main() -> None:
    """Measure both sides; the figures as JSON in the last line."""
    parser = BENCHMARK.parser(__doc__, sides=("ours", "theirs"))
    parser.add_argument("--weeks", type=int, default=WEEKS)
    given = parser.parse_args()
    if given.side:
        sides = {"ours": ours, "theirs": theirs}
        found = sides[given.side](given.rows, given.weeks, HOME / f"backfill-{given.side}")
        given.out.write_text(json.dumps(found), encoding="utf-8")
        return
    load = os.getloadavg()[0]
    store(given.rows)
    one, two = (measure(side, given.rows, given.weeks) for side in ("ours", "theirs"))
    whole = side_by_side(_step(one), _step(two))
    without = side_by_side(_step(one, one["fits_s"]), _step(two, two["fits_s"]))
    same = sum(a == b for a, b in zip(one["decisions"], two["decisions"], strict=True))
    answer = {
        "weeks": given.weeks,
        **whole,
        "without_training": {
            key: without[key] for key in ("ours_cpu_s", "theirs_cpu_s", "cpu_ratio")
        },
        "fits": [one["fits"], two["fits"]],
        "fits_cpu_s": [round(one["fits_s"], 1), round(two["fits_s"], 1)],
        "same_decisions": same,
        "load": round(load, 1),
    }
    usual = (given.weeks, given.rows) == (WEEKS, BENCHMARK.rows)
    title = f"backfill, {WEEKS} weeks, {given.rows:,} rows" if usual else ""
    BENCHMARK.conclude(given, answer, table(given.rows, answer), title)


def _step(side: dict[str, Any], less: float = 0.0) -> Step:
    return Step(side["wall_s"], side["cpu_s"] - less, side["mib"])


def table(rows: int, answer: dict[str, Any]) -> str:
    """The figures as Markdown."""
    fits = zip(answer["fits"], answer["fits_cpu_s"], strict=True)
    lines = [
        "| | backfill | retrainings | ratio |",
        "|---|---:|---:|---:|",
        _line("CPU s", answer, "cpu_"),
        _line("CPU s without training", answer["without_training"], "cpu_"),
        _line("seconds", answer, ""),
        f"| peak, MiB | {answer['ours_mib']:,} | {answer['theirs_mib']:,} | |",
        f"| fits | {' | '.join(f'{many} in {took} CPU s' for many, took in fits)} | |",
        "",
        f"{answer['weeks']} weeks, {rows:,} prescriptions in 52 weeks, 84 days of",
        f"training; {answer['same_decisions']} weeks have the same outcome on the same snapshot.",
        f"{answer['load']} processes wanted a core when it began.",
    ]
    return "\n".join(lines)


def _line(title: str, found: dict[str, Any], kind: str) -> str:
    one, two = found[f"ours_{kind}s"], found[f"theirs_{kind}s"]
    return f"| {title} | {one:.0f} | {two:.0f} | {found[f'{kind}ratio']:.1f} |"


if __name__ == "__main__":
    main()
