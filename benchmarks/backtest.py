"""A year of weekly retrains: one backtest against as many separate cycles of the product.

    python benchmarks/backtest.py                  52 weeks, and the scoring of kept candidates
    python benchmarks/backtest.py --weeks 8        fewer

The events are a simulated pharmacy chain's. Both sides start with an empty home, each in a process
of its own. The cycles are ``gauntlet retrain`` of every Monday in a lineage of its own; the
backtest replays every policy over the same Mondays. Seconds with fitting left out are the whole
time minus what was spent in the ``fit`` of a pipeline.
"""

from __future__ import annotations

import argparse
import json
import os
import tempfile
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from time import perf_counter
from typing import Any

os.environ["OMP_NUM_THREADS"] = "1"  # before anything heavy is imported
from parts.chain import HOME, PROJECT, SEED
from parts.measuring import Meter, machine, run_side

from pipelines.adapters.objects.local import LocalStore
from pipelines.core.time import FixedClock, Window
from pipelines.simulation.scale import DEMO
from pipelines.simulation.world import World
from pipelines.simulation.writing import write_world

WEEK = timedelta(days=7)
BEFORE = 26  # weeks of events before the first Monday
AFTER = 2  # and after the last one, until labels have matured
KEPT, ROWS = 26, 100_000
CHANGES = {"split": {"train": "84d", "recent": "28d"}}


def events(weeks: int) -> Path:
    """The folder with the chain's events; written once and kept."""
    folder = HOME / f"backtest-{weeks}"
    finished = folder / ".finished"
    if not finished.exists():
        end = DEMO.start + (BEFORE + weeks + AFTER) * WEEK
        write_world(World(DEMO, SEED), LocalStore(folder), Window(DEMO.start, end))
        finished.touch()
    return folder


def opened(home: Path, weeks: int, at: Any) -> Any:
    """The product's parts in a home, with a clock that stands still."""
    import shutil

    import yaml

    from pipelines.settings import Settings
    from pipelines.wiring import connect

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
        store=str(events(weeks)),
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


def one_backtest(weeks: int, home: Path) -> dict[str, Any]:
    """``gauntlet backtest`` over all Mondays, from an empty home."""
    from pipelines.flows.backtest.run import BacktestRequest, run_backtest

    meter, first = Meter(), DEMO.start + BEFORE * WEEK
    timed_fits(meter)
    end = first + weeks * WEEK
    parts = opened(home, weeks, end + AFTER * WEEK)
    with meter.step("whole"):
        request = BacktestRequest(model="demand", first=first, end=end)
        report = run_backtest(request, parts.backtesting)
    return meter.as_json() | {"candidates": report.candidates, "policies": len(report.policies)}


def separate_cycles(weeks: int, home: Path) -> dict[str, Any]:
    """``gauntlet retrain`` of each Monday in turn."""
    from pipelines.flows.retrain.request import Request
    from pipelines.flows.retrain.steps import retrain

    meter, trained = Meter(), 0
    timed_fits(meter)
    with meter.step("whole"):
        for number in range(weeks):
            at = DEMO.start + (BEFORE + number) * WEEK
            request = Request(model="demand", as_of=at, lineage="benchmark")
            done = retrain(request, opened(home, weeks, at).retraining)
            trained += done.evidence.trained is not None
    return meter.as_json() | {"candidates": trained}


def scored_week() -> dict[str, Any]:
    """Seconds to load 26 kept candidates and to score 100,000 new points with each."""
    import numpy as np
    import pandas as pd

    from pipelines.core.time import parse_instant
    from pipelines.packaging.package import write_package
    from pipelines.packaging.version import load_pipeline
    from pipelines.spec.load import load_model
    from pipelines.training.columns import feature_matrix
    from pipelines.training.fit import fit
    from pipelines.training.score import score

    spec = load_model(PROJECT / "models" / "demand.yaml")
    rng = np.random.default_rng(SEED)
    rows = pd.DataFrame(
        {name: rng.gamma(2.0, 5.0, ROWS) for name in spec.feature_names}
        | {
            "pharmacy": rng.choice([f"p{number:03d}" for number in range(200)], ROWS),
            "medicine": rng.choice([f"m{number:02d}" for number in range(40)], ROWS),
            "decision_time": pd.Timestamp("2026-01-05"),
            "label": rng.poisson(30, ROWS).astype(float),
        }
    )
    with tempfile.TemporaryDirectory() as folder:
        pipeline = fit(spec, rows, 1).pipeline
        for number in range(KEPT):
            write_package(
                Path(folder) / str(number),
                pipeline,
                feature_matrix(spec, rows.head(5)),
                probabilities=False,
                created_at=parse_instant("2026-01-05"),
                facts={},
                evidence={},
            )
        began = perf_counter()
        loaded = [load_pipeline(Path(folder) / str(number)) for number in range(KEPT)]
        read = perf_counter()
        for each in loaded:
            score(each, spec, rows)
        return {"load_s": round(read - began, 2), "score_s": round(perf_counter() - read, 2)}


def main() -> None:
    """Measure both sides, print a table, and the figures as JSON in the last line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--weeks", type=int, default=52)
    parser.add_argument("--side", choices=["backtest", "cycles", "scoring"])
    parser.add_argument("--out", type=Path)
    given = parser.parse_args()
    if given.side:
        with tempfile.TemporaryDirectory() as folder:
            found = {
                "backtest": lambda: one_backtest(given.weeks, Path(folder)),
                "cycles": lambda: separate_cycles(given.weeks, Path(folder)),
                "scoring": scored_week,
            }[given.side]()
        given.out.write_text(json.dumps(found), encoding="utf-8")
        return
    events(given.weeks)
    sides = {
        side: run_side(Path(__file__), side, "--weeks", str(given.weeks))
        for side in ("backtest", "cycles")
    }
    answer: dict[str, Any] = {"weeks": given.weeks, "machine": machine()}
    print("| side | whole, s | fits, s | without fits, s | peak, MiB |\n|---|---:|---:|---:|---:|")
    for side, found in sides.items():
        step, fits = found["steps"]["whole"], found["parts"]["fit"]["wall_s"]
        whole = step["wall_s"]
        answer[side] = {"whole_s": whole, "fit_s": fits, "peak_mib": step["peak_mib"]} | {
            "candidates": found["candidates"]
        }
        cells = f"{whole:.1f} | {fits:.1f} | {whole - fits:.1f} | {step['peak_mib']:.0f}"
        print(f"| {side}, {found['candidates']} candidates | {cells} |")
    one, other = answer["backtest"], answer["cycles"]
    answer["ratio"] = round(other["whole_s"] / one["whole_s"], 1)
    without = [side["whole_s"] - side["fit_s"] for side in (other, one)]
    answer["ratio_without_fits"] = round(without[0] / without[1], 1)
    answer["scoring"] = run_side(Path(__file__), "scoring")
    print(f"{answer['ratio']} times faster, {answer['ratio_without_fits']} times without fits")
    print(f"{KEPT} kept candidates on {ROWS:,} new points: {answer['scoring']}")
    print(json.dumps(answer))


if __name__ == "__main__":
    main()
