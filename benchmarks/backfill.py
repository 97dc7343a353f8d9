"""Past weeks by one ``gauntlet backfill``, and by a ``gauntlet retrain`` for each of them.

    python benchmarks/backfill.py                             5 weeks, into RESULTS.md
    python benchmarks/backfill.py --weeks 26 --rows 1000000   more, printed only
    python benchmarks/backfill.py --without-training          the linear model only

Both sides are the commands as a person runs them, on the same simulated chain's events: one process
for the backfill, and one process after another for the retrainings. Each side starts with an empty
home, which its weeks share. So the retrainings also find the weeks of decision points that earlier
ones have kept.

Each side runs twice: with the declared model, and with a linear model of the same features, whose
fits cost next to nothing. The second pair shows what is left without training. Seconds are by the
clock: a backfill uses several processors, and separate retrainings cannot, because each needs the
decision of the one before. One OpenMP thread on both sides.
"""

from __future__ import annotations

import json
import os
import resource
import shutil
import sys
import time
from argparse import Namespace
from datetime import timedelta
from pathlib import Path
from typing import Any

import yaml
from parts.chain import AS_OF, HOME, declare, store
from parts.convention import Benchmark
from parts.measuring import Step, peak_mib, run_side, side_by_side

WEEK = timedelta(days=7)
WEEKS = 5  # of the section in RESULTS.md
BENCHMARK = Benchmark(
    name="backfill",
    rows=100_000,
    unit="prescriptions in 52 weeks",
    limited_by=(
        "The process that decides: a later week takes it about 1.3 CPU seconds, a quarter of "
        "them for plots, and a fifth each for the rehearsal of serving and in MLflow. Before the "
        "first week it replays past weeks, as a retraining does."
    ),
)
SPLIT = {"train": "84d", "recent": "28d"}
LINEAR = {"path": "sklearn.linear_model.Ridge"}


def command(rows: int, home: Path, *arguments: str) -> dict[str, Any]:
    """One command of the product in this process; everything since the process began is counted."""
    sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
    os.environ |= {
        "GAUNTLET_HOME": str(home),
        "GAUNTLET_MODELS": str(home / "models"),
        "GAUNTLET_EXPECTATIONS": str(home / "expectations"),
        "GAUNTLET_STORE": str(store(rows)),
    }
    from pipelines.cli import main as gauntlet

    sys.argv = ["gauntlet", *arguments]
    try:
        gauntlet()
    except SystemExit as end:
        if end.code:
            raise
    ended = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu_s = time.process_time() + ended.ru_utime + ended.ru_stime
    return {"cpu_s": cpu_s, "mib": peak_mib(), "worker_mib": ended.ru_maxrss / 1024}


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


def new_home(side: str, estimator: dict[str, Any] | None) -> Path:
    """An empty home with the declaration, of another estimator if one is given."""
    home = HOME / f"backfill-{side}"
    shutil.rmtree(home, ignore_errors=True)
    declare(home)
    path = home / "models" / "demand.yaml"
    declared = yaml.safe_load(path.read_text(encoding="utf-8")) | {"split": SPLIT}
    if estimator is not None:
        declared["estimator"] = estimator
    path.write_text(yaml.safe_dump(declared, sort_keys=False), encoding="utf-8")
    return home


def measure(side: str, given: Namespace, estimator: dict[str, Any] | None) -> dict[str, Any]:
    """All processes of one side together, and its decisions."""
    rows, weeks = given.rows, given.weeks
    new_home(side, estimator)
    runs = [weeks] if side == "ours" else [*reversed(range(weeks))]
    found, began = [], time.perf_counter()
    for number in runs:
        arguments = ("--rows", str(rows), "--weeks", str(number))
        found.append(run_side(Path(__file__).resolve(), side, *arguments))
        print(f"{side} {number}: {json.dumps(found[-1])}", file=sys.stderr, flush=True)
    wall = time.perf_counter() - began
    cpu, peak = sum(one["cpu_s"] for one in found), max(one["mib"] for one in found)
    if side == "ours":
        peak += found[0]["worker_mib"]
    return {"step": Step(wall, cpu, peak), "decisions": decisions(side)}


def compare(given: Namespace, estimator: dict[str, Any] | None) -> dict[str, Any]:
    """The figures of both sides, and how many weeks were decided alike on the same snapshot."""
    one, two = (measure(side, given, estimator) for side in ("ours", "theirs"))
    same = sum(a == b for a, b in zip(one["decisions"], two["decisions"], strict=True))
    return side_by_side(one["step"], two["step"]) | {"same_decisions": same}


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
    parser.add_argument(
        "--without-training", action="store_true", help="only with the linear model"
    )
    given = parser.parse_args()
    if given.side:
        sides = {"ours": ours, "theirs": theirs}
        found = sides[given.side](given.rows, given.weeks, HOME / f"backfill-{given.side}")
        given.out.write_text(json.dumps(found), encoding="utf-8")
        return
    load = os.getloadavg()[0]
    store(given.rows)
    answer = {"weeks": given.weeks, "load": round(load, 1), **compare(given, LINEAR)}
    if not given.without_training:
        answer["with_training"] = compare(given, None)
    usual = (given.weeks, given.rows, given.without_training) == (WEEKS, BENCHMARK.rows, False)
    title = f"backfill, {WEEKS} weeks, {given.rows:,} rows" if usual else ""
    BENCHMARK.conclude(given, answer, table(given.rows, answer), title)


def table(rows: int, answer: dict[str, Any]) -> str:
    """The figures as Markdown."""
    measured = {"without training": answer}
    if "with_training" in answer:
        measured["with training"] = answer["with_training"]
    lines = ["| | backfill | retrainings | ratio |", "|---|---:|---:|---:|"]
    lines += [_line(f"seconds {name}", found, "") for name, found in measured.items()]
    lines += [_line(f"CPU s {name}", found, "cpu_") for name, found in measured.items()]
    lines += [
        f"| peak {name}, MiB | {found['ours_mib']:,} | {found['theirs_mib']:,} | |"
        for name, found in measured.items()
    ]
    same = " and ".join(str(found["same_decisions"]) for found in measured.values())
    lines += [
        "",
        f"{answer['weeks']} weeks, {rows:,} prescriptions in 52 weeks, 84 days of training; {same}",
        "weeks have the same outcome on the same snapshot. The peak of a backfill is that of its",
        "first process and of its largest worker together.",
        f"{answer['load']} processes wanted a core when it began.",
    ]
    return "\n".join(lines)


def _line(title: str, found: dict[str, Any], kind: str) -> str:
    one, two = found[f"ours_{kind}s"], found[f"theirs_{kind}s"]
    return f"| {title} | {one:.0f} | {two:.0f} | {found[f'{kind}ratio']:.1f} |"


if __name__ == "__main__":
    main()
