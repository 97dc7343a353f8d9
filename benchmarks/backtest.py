"""A year of weekly retrains: one backtest against as many separate cycles of the product.

    python benchmarks/backtest.py                  52 weeks, into RESULTS.md
    python benchmarks/backtest.py --cycles 14      the first 14 cycles; the others are extrapolated
    python benchmarks/backtest.py --weeks 8        fewer, printed only
    python benchmarks/backtest.py --rows 50000     a smaller chain, printed only

The events are a simulated pharmacy chain's. Both sides start with an empty home, each in a process
of its own. The cycles are ``gauntlet retrain`` of every Monday in a lineage of its own; the
backtest replays every policy over the same Mondays. Seconds with fitting left out are the whole
time minus what was spent in the ``fit`` of a pipeline. Where only some cycles are run, those that
were left out count as the mean of those after the first one, which also replays past weeks. That is
too little, because later cycles have more kept candidates to score.

After the cycles, one more Monday is retrained up to its step ``record``. Before that step the week
that has just matured is enlarged to 100,000 points: its rows many times, each with other numbers.
"""

from __future__ import annotations

import json
import os
import shutil
import tempfile
import time
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

os.environ["OMP_NUM_THREADS"] = "1"  # before anything heavy is imported
import yaml
from parts.chain import HOME, PROJECT, SEED
from parts.convention import Benchmark
from parts.measuring import Meter, Step, run_side, side_by_side

from pipelines.adapters.objects.local import LocalStore
from pipelines.connections import Connections
from pipelines.core.time import FixedClock, Window
from pipelines.flows.backtest.run import BacktestRequest, run_backtest
from pipelines.flows.frames import FRAME
from pipelines.flows.retrain.request import Request
from pipelines.flows.retrain.run import RetrainCollaborators, open_run
from pipelines.flows.retrain.steps import perform, retrain
from pipelines.settings import Settings
from pipelines.simulation.scale import SMALL, Scale
from pipelines.simulation.world import World
from pipelines.simulation.writing import write_world
from pipelines.wiring import connect

WEEK = timedelta(days=7)
FIRST: datetime = SMALL.start + 26 * WEEK
AFTER = 2  # weeks of events after the last Monday, until labels have matured
WEEKS = 52
KEPT = 26  # candidates: the span of a record
POINTS = 100_000  # of the week that kept candidates are scored on
DAYS = 364  # of which the rows are counted
BENCHMARK = Benchmark(
    name="backtest",
    rows=round(DAYS * SMALL.prescriptions_per_day),
    unit="prescriptions in 52 weeks",
    limited_by="Fits take 42 of 77 CPU seconds. Each policy then replays 52 decisions.",
)
CHANGES = {"split": {"train": "84d", "recent": "28d"}}


def chain(rows: int) -> Scale:
    """The small chain, or one with so many prescriptions and as many for each pharmacy."""
    if rows == BENCHMARK.rows:
        return SMALL
    part = rows / BENCHMARK.rows
    return SMALL.model_copy(
        update={
            "name": f"{SMALL.name}_{rows}",
            "pharmacies": max(2, round(SMALL.pharmacies * part)),
            "prescriptions_per_day": SMALL.prescriptions_per_day * part,
        }
    )


def events(scale: Scale, weeks: int) -> Path:
    """The folder with the chain's events; written once and kept."""
    folder = HOME / f"backtest-{scale.name}-{weeks}"
    finished = folder / ".finished"
    if not finished.exists():
        window = Window(scale.start, FIRST + (weeks + AFTER) * WEEK)
        write_world(World(scale, SEED), LocalStore(folder), window)
        finished.touch()
    return folder


def opened(home: Path, store: Path, at: datetime) -> Connections:
    """The product's parts in a home, with a clock that stands still."""
    for name in ("models", "expectations"):
        (home / name).mkdir(parents=True, exist_ok=True)
    shutil.copy(PROJECT / "expectations" / "demand.json", home / "expectations")
    declared = yaml.safe_load((PROJECT / "models" / "demand.yaml").read_text(encoding="utf-8"))
    declared = {**declared, **CHANGES}
    del declared["serving"], declared["rollout"]
    text = yaml.safe_dump(declared, sort_keys=False)
    (home / "models" / "demand.yaml").write_text(text, encoding="utf-8")
    settings = Settings(
        home=home,
        models=home / "models",
        expectations=home / "expectations",
        store=str(store),
    )
    return connect(settings, clock=FixedClock(at))


def timed_fits(meter: Meter) -> None:
    """Count the time of every fit of a pipeline as a part."""
    from sklearn.pipeline import Pipeline

    whole: Callable[..., Any] = Pipeline.fit

    def fit(self: Any, *arguments: Any, **named: Any) -> Any:
        with meter.part("fit"):
            return whole(self, *arguments, **named)

    vars_of: Any = Pipeline
    vars_of.fit = fit


def one_backtest(store: Path, weeks: int, home: Path) -> dict[str, Any]:
    """``gauntlet backtest`` over all Mondays, from an empty home."""
    meter, end = Meter(), FIRST + weeks * WEEK
    timed_fits(meter)
    parts = opened(home, store, end + AFTER * WEEK)
    with meter.step("whole"):
        request = BacktestRequest(model="demand", first=FIRST, end=end)
        report = run_backtest(request, parts.backtesting)
    found = {"candidates": report.candidates, "policies": len(report.policies)}
    return meter.as_json() | found | {"fits_s": _fits(meter)}


def separate_cycles(store: Path, cycles: int, home: Path) -> dict[str, Any]:
    """``gauntlet retrain`` of each Monday in turn, then the scoring of the kept candidates."""
    meter, trained, after_first = Meter(), 0, {}
    timed_fits(meter)
    with meter.step("whole"):
        began, started = time.process_time(), time.perf_counter()
        for number in range(cycles):
            at = FIRST + number * WEEK
            done = retrain(_request(at), opened(home, store, at).retraining)
            trained += done.evidence.trained is not None
            if not number:
                after_first = {
                    "cpu_s": time.process_time() - began,
                    "wall_s": time.perf_counter() - started,
                    "fits_s": _fits(meter),
                }
    fits = _fits(meter)
    at = FIRST + cycles * WEEK
    scored = scored_week(meter, _request(at), opened(home, store, at).retraining)
    found = {"candidates": trained, "scored": scored, "first": after_first, "cycles": cycles}
    return meter.as_json() | found | {"fits_s": fits}


def _fits(meter: Meter) -> float:
    return float(meter.as_json()["parts"]["fit"]["cpu_s"])


def _request(at: datetime) -> Request:
    return Request(model="demand", as_of=at, lineage="benchmark")


def scored_week(
    meter: Meter, request: Request, collaborators: RetrainCollaborators
) -> dict[str, int]:
    """Measure the step ``record`` of a run whose newest matured week has 100,000 points."""
    with collaborators.lock(request.model, request.lineage):
        run = open_run(request, collaborators)
        states = perform(run)
        while next(states).report.step != "evaluate":
            pass
        matured = request.as_of - run.spec.maturity
        newest = matured - timedelta(days=matured.weekday())
        enlarge(run.workspace.path(FRAME), Window(newest - WEEK, newest))
        with meter.step("record", counted=False):
            state = next(states)
    if state.evidence.record is None:
        raise SystemExit("the step record has left no evidence")
    week = state.evidence.record.record.weeks[-1]
    return {"points": week.points, "candidates": len(week.losses)}


def enlarge(frame: Path, week: Window) -> None:
    """Repeat the rows of a week in a frame until it has 100,000, each with other numbers."""
    import numpy as np
    import pandas as pd

    rows = pd.read_parquet(frame)
    start, end = (bound.replace(tzinfo=None) for bound in (week.start, week.end))
    inside = (rows["decision_time"] >= start) & (rows["decision_time"] < end)
    own = rows[inside & rows["label"].notna()]
    rng = np.random.default_rng(SEED)
    many = own.iloc[rng.integers(0, len(own), POINTS)]
    numbers = [name for name in own.columns if own[name].dtype == np.float64 and name != "label"]
    noise = rng.lognormal(sigma=0.3, size=(POINTS, len(numbers)))
    many = many.assign(**{name: many[name] * noise[:, n] for n, name in enumerate(numbers)})
    pd.concat([rows[~inside], many], ignore_index=True).to_parquet(frame, index=False)


def section(
    scale: Scale, weeks: int, sides: dict[str, dict[str, Any]], load: float
) -> tuple[str, dict[str, Any]]:
    """The figures as Markdown, and as JSON."""
    lines = [
        "| side | candidates | whole, s | CPU s | of it fits | without fits | peak, MiB |",
        "|---|---:|---:|---:|---:|---:|---:|",
    ]
    whole, without = {}, {}
    for side, found in sides.items():
        step, fits = found["steps"]["whole"], found["fits_s"]
        whole[side], without[side] = step["cpu_s"], step["cpu_s"] - fits
        lines.append(
            f"| {side} | {found['candidates']} | {step['wall_s']:.0f} | {step['cpu_s']:.0f} "
            f"| {fits:.0f} | {without[side]:.0f} | {step['peak_mib']:,.0f} |"
        )
    made, first = sides["cycles"]["cycles"], sides["cycles"]["first"]
    if made < weeks:
        whole["cycles"] = _extrapolated(whole["cycles"], first["cpu_s"], made, weeks)
        alone = first["cpu_s"] - first["fits_s"]
        without["cycles"] = _extrapolated(without["cycles"], alone, made, weeks)
        fits = whole["cycles"] - without["cycles"]
        lines.append(
            f"| {weeks} cycles, extrapolated | | | {whole['cycles']:.0f} | {fits:.0f} "
            f"| {without['cycles']:.0f} | |"
        )
    ratio, ratio_without = (part["cycles"] / part["backtest"] for part in (whole, without))
    record, scored = sides["cycles"]["steps"]["record"], sides["cycles"]["scored"]
    policies, many = sides["backtest"]["policies"], scored["candidates"]
    if made < weeks:
        lines += [
            "",
            f"Only the first {made} cycles were run. The others count as the mean of those after",
            "the first, which is too little: later cycles have more kept candidates to score.",
        ]
    lines += [
        "",
        f"In CPU seconds the backtest is {ratio:.1f} times faster than {weeks} cycles, and",
        f"{ratio_without:.1f} times with fitting left out. It replays {policies} policies.",
        f"{scale.pharmacies} pharmacies, {scale.medicines} medicines, a point a day for each pair,",
        "84 days of training, three seeds in a cycle. Both sides start with an empty home.",
        "",
        f"Then the step `record` of one Monday more scores {many} kept candidates on",
        f"{scored['points']:,} points of one week: {record['cpu_s']:.1f} CPU seconds,",
        f"{record['wall_s']:.1f} by the clock, {record['peak_mib']:,.0f} MiB. In proportion,",
        f"{KEPT} candidates take {record['cpu_s'] * KEPT / many:.1f} CPU seconds.",
        f"{load:.1f} processes wanted a core when it began.",
    ]
    ours, theirs = (Step(**sides[side]["steps"]["whole"]) for side in ("backtest", "cycles"))
    theirs.cpu_s = whole["cycles"]
    theirs.wall_s = _extrapolated(theirs.wall_s, first["wall_s"], made, weeks)
    answer = side_by_side(ours, theirs) | {
        "weeks": weeks,
        "cpu_ratio_without_fits": round(ratio_without, 1),
        "scored": scored | record,
        "sides": sides,
        "load": load,
    }
    return "\n".join(lines), answer


def _extrapolated(measured: float, first: float, made: int, weeks: int) -> float:
    """What all cycles take, if those that were left out take the mean of those after the first."""
    if made == weeks:
        return measured
    return measured + (weeks - made) * (measured - first) / (made - 1)


def main() -> None:
    """Measure both sides; print a table, and the figures as JSON in the last line."""
    parser = BENCHMARK.parser(__doc__, sides=("backtest", "cycles"))
    parser.add_argument("--weeks", type=int, default=WEEKS)
    parser.add_argument("--cycles", type=int, help="at least two; default: of all weeks")
    given = parser.parse_args()
    cycles, scale = given.cycles or given.weeks, chain(given.rows)
    store = events(scale, given.weeks)
    if given.side:
        with tempfile.TemporaryDirectory() as folder:
            home = Path(folder)
            if given.side == "backtest":
                found = one_backtest(store, given.weeks, home)
            else:
                found = separate_cycles(store, cycles, home)
            given.out.write_text(json.dumps(found), encoding="utf-8")
        return
    load = os.getloadavg()[0]
    sizes = {"rows": given.rows, "weeks": given.weeks, "cycles": cycles}
    words = [word for name, size in sizes.items() for word in (f"--{name}", str(size))]
    sides = {side: run_side(Path(__file__), side, *words) for side in ("backtest", "cycles")}
    text, answer = section(scale, given.weeks, sides, load)
    usual = (given.rows, given.weeks) == (BENCHMARK.rows, WEEKS)
    BENCHMARK.conclude(given, answer, text, f"backtest, {WEEKS} weeks" if usual else "")


if __name__ == "__main__":
    main()
