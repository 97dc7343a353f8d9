"""The second weekly retraining after the first, step by step, on a simulated chain's events.

    python benchmarks/second_week.py                    1 million events, into RESULTS.md
    python benchmarks/second_week.py --rows 3000000     as many, into RESULTS.md
    python benchmarks/second_week.py --rows 50000       other sizes, printed only

Both retrainings are the product's own, one week apart, in one home that is empty at first, each in
a process of its own. Ours is the second, theirs the first, both without the steps ``train`` and
``record``, which fit models. The replay of the first version fits many. Another total has all
steps, without the processor seconds of the thread that fits a pipeline, with one OpenMP thread.

Beside them is the retraining by hand of ``retrain_cycle.py`` as of the second week: it keeps
nothing, so it costs the same each week.
"""

from __future__ import annotations

import json
import os
import shutil
from datetime import timedelta
from pathlib import Path
from typing import Any

from parts.chain import AS_OF, HOME, declare, store
from parts.convention import Benchmark
from parts.measuring import Meter, Step, run_side, side_by_side, timed_fits, total

from pipelines.core.time import FixedClock

SIZES = (1_000_000, 3_000_000, 10_000_000)  # of the sections in RESULTS.md
BENCHMARK = Benchmark(
    name="second_week",
    rows=SIZES[0],
    unit="prescriptions in 52 weeks",
    limited_by=(
        "Of what the second week repeats, features and labels and the registration, with its "
        "plots and files, take three quarters at a million rows and two thirds at ten million."
    ),
)
WEEKS = {"first": AS_OF - timedelta(days=7), "second": AS_OF}
FITS = ("train", "record")  # steps
REPLAYED_ROWS = 3_000_000  # of larger sizes no past week is replayed, and one seed is fitted
HAND = "by hand"
STEPS_BY_HAND = {  # of ours that does as much, or is the last that does
    "load": "snapshot",
    "validate fresh": "contract",
    "features": "features",
    "train": "train",
    "evaluate": "evaluate",
    "register": "register",
}


def measure(side: str, rows: int) -> dict[str, Any]:
    """One retraining; the second finds what the first has left."""
    home, meter = HOME / f"second-week-{rows}", Meter()
    if side == "first":
        shutil.rmtree(home, ignore_errors=True)
        many = rows > REPLAYED_ROWS
        declare(home, replayed_weeks=0 if many else None, seeds=1 if many else None)
    with meter.step("imports"):
        import ibis.backends.duckdb  # noqa: F401
        import matplotlib.pyplot  # noqa: F401
        import mlflow.sklearn  # noqa: F401
        import sklearn.ensemble  # noqa: F401

        from pipelines.flows.retrain.request import STEPS, Request
        from pipelines.flows.retrain.run import open_run
        from pipelines.flows.retrain.steps import perform
        from pipelines.settings import Settings
        from pipelines.wiring import connect

    settings = Settings(
        home=home,
        models=home / "models",
        expectations=home / "expectations",
        store=str(store(rows)),
    )
    at = WEEKS[side]
    parts = connect(settings, clock=FixedClock(at)).retraining
    # Too few weeks come before the first version to replay it as the gate requires.
    waive = ("recent_window.replay",)
    fits = timed_fits()
    request = Request(model="demand", as_of=at, reason="benchmark", waive=waive)
    with parts.lock(request.model, request.lineage):
        with meter.step("open"):
            states = perform(open_run(request, parts))
        for step in STEPS:
            with meter.step(step):
                state = next(states)
    return meter.as_json() | {"outcome": str(state.decision.outcome), "fits_s": sum(fits)}


def run(rows: int) -> dict[str, dict[str, Any]]:
    """Both retrainings, each in a process of its own."""
    store(rows)
    script = Path(__file__).resolve()
    return {side: run_side(script, side, "--rows", str(rows)) for side in WEEKS}


def by_hand(rows: int) -> dict[str, Any]:
    """The retraining by hand as of the second week, in a process of its own."""
    script = Path(__file__).resolve().with_name("retrain_cycle.py")
    return run_side(script, "theirs", "--rows", str(rows))


def counted(side: dict[str, Any]) -> list[str]:
    """The steps of a retraining that fit no models."""
    return [name for name in side["steps"] if name not in ("imports", *FITS)]


def without_fits(side: dict[str, Any]) -> Step:
    """The steps of a retraining that fit no models, together."""
    return total({name: Step(**side["steps"][name]) for name in counted(side)})


def section(rows: int, found: dict[str, dict[str, Any]]) -> tuple[float, str]:
    """The share of the first that the second takes in CPU seconds, and the table."""
    lines = ["| step | first, CPU s | second, CPU s | by hand, CPU s | first, s | second, s |"]
    lines += ["|---|---:|---:|---:|---:|---:|"]
    first, second = (found[side]["steps"] for side in WEEKS)
    hand = {ours: found[HAND]["steps"][own]["cpu_s"] for own, ours in STEPS_BY_HAND.items()}

    def cells(names: list[str]) -> list[float]:
        sides = (first, second)
        return [sum(side[n][key] for n in names) for key in ("cpu_s", "wall_s") for side in sides]

    def line(name: str, names: list[str]) -> str:
        *cpu, one, two = (f"{value:.1f}" for value in cells(names))
        own = [hand[step] for step in names if step in hand]
        return f"| {name} | {' | '.join([*cpu, f'{sum(own):.1f}' if own else '', one, two])} |"

    steps = counted(found["first"])
    lines += [line(name, [name]) for name in first if name != "imports"]
    lines.append(line("**without train and record**", steps))
    values = cells(steps)
    share = values[1] / values[0]
    whole = [
        sum(step["cpu_s"] for step in steps.values()) - steps["imports"]["cpu_s"]
        for steps in (first, second)
    ]
    others = [cpu - found[side]["fits_s"] for cpu, side in zip(whole, WEEKS, strict=True)]
    lines.append(f"| **without fits** | {others[0]:.1f} | {others[1]:.1f} | | | |")
    outcomes = " and ".join(found[side]["outcome"] for side in WEEKS)
    lines += [
        "",
        f"In CPU seconds the second takes {share:.0%} of the first without the steps train and",
        f"record, and {others[1] / others[0]:.0%} without fits. Outcomes: {outcomes}. By hand,",
        "in pandas, every week is computed anew.",
        f"{rows:,} prescriptions in 52 weeks; {os.getloadavg()[0]:.1f} processes wanted a core.",
    ]
    return share, "\n".join(lines)


def main() -> None:
    """Measure both weeks; the last line is the JSON object."""
    given = BENCHMARK.parser(__doc__, sides=tuple(WEEKS)).parse_args()
    if given.side:
        given.out.write_text(json.dumps(measure(given.side, given.rows)), encoding="utf-8")
        return
    found = run(given.rows) | {HAND: by_hand(given.rows)}
    share, text = section(given.rows, found)
    first, second = (without_fits(found[side]) for side in WEEKS)
    title = f"second week, {given.rows:,} rows" if given.rows in SIZES else ""
    answer = side_by_side(second, first) | {"share": round(share, 3)}
    BENCHMARK.conclude(given, answer, text, title)


if __name__ == "__main__":
    main()
