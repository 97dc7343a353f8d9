"""Retrained weekly, updated every hour, or both: a simulated year and published hourly series.

    python benchmarks/updates.py                 a simulated year, into RESULTS.md
    python benchmarks/updates.py --rows 30000    fewer weeks, printed only
    python benchmarks/updates.py --set metro_traffic --data FOLDER
    python benchmarks/updates.py --set pjm_hourly_load --data FOLDER

Fits, preparation, intervals and the bound of ``update.answers`` are the product's own functions, on
rows whose features are columns. Every answer is given by a model whose labels had matured before
it. A standard error is that of the mean over weeks. Ours is a week's hourly updates: each hour is
answered, bounded and learned. Theirs is the weekly retraining alone, with its answers.
"""

from __future__ import annotations

import copy
import math
import os
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from parts.convention import Benchmark
from parts.measuring import Meter, side_by_side

from pipelines.core.findings import Verdict
from pipelines.core.time import Window
from pipelines.gates.recent_window.refit import answer_change
from pipelines.gates.update.findings import IntervalChange, answers_finding, labels_finding
from pipelines.spec.model import ModelSpec
from pipelines.spec.update import Update
from pipelines.training.fit import fit, label_numbers
from pipelines.training.metrics import primary_metric
from pipelines.training.sample import spread_rows
from pipelines.training.split import inside
from pipelines.training.updates.learn import (
    GridInterval,
    IncrementalLearner,
    Learned,
    grid_floor,
    intervals,
    learn_each,
)

if TYPE_CHECKING:
    from sklearn.pipeline import Pipeline

WEEK, HOUR = timedelta(days=7), timedelta(hours=1)
UPDATE = Update(every="1h")
WAYS = ("weekly", "continuous", "both")
STOPPED = ("ordinary weeks", "poisoned hours")
REFERENCE = 500  # rows of the week before whose answers are followed
MEMORY = 28 * 24  # intervals that the bound is computed from
POINTS_OF_A_WEEK = 7 * 24 * 20  # of the simulated world
BENCHMARK = Benchmark(
    name="updates",
    rows=62 * POINTS_OF_A_WEEK,
    unit="points of each series, from its start",
    limited_by=(
        "Each hour is answered four times by scikit-learn, for few rows. Half of the time are "
        "these answers, and a third is the validation of their input."
    ),
)


@dataclass(frozen=True)
class Series:
    """A declaration and its rows: keys, decision_time, inputs and label, by time."""

    spec: ModelSpec
    rows: pd.DataFrame

    def between(self, start: datetime, end: datetime) -> pd.DataFrame:
        """The rows of a window."""
        return self.rows[inside(self.rows, Window(start, end))].reset_index(drop=True)


def declared(name: str, inputs: dict[str, str], train: str, **changes: Any) -> ModelSpec:
    """A declaration whose features are columns of the points' own rows."""
    columns = {"key": "string", "known": "timestamp", "y": "float", **inputs}
    return ModelSpec.model_validate(
        {
            "name": name,
            "description": "A benchmark of updates.",
            "owner": "benchmarks",
            "streams": {
                "points": {
                    "event_time": "at",
                    "known_time": {"event_time_plus": "0d"},
                    "columns": columns,
                }
            },
            "points": {"kind": "event", "stream": "points", "keys": ["key"]},
            "features": [{"kind": "attribute", "name": one} for one in inputs],
            "split": {"train": train, "recent": "28d"},
            "seeds": [1],
            "update": {"every": "1h"},
            **changes,
        }
    )


def world(turn: float, seed: int, many: int) -> Series:
    """So many purchases whose direction turns by so many radians a week, 20 points an hour."""
    rng = np.random.default_rng(seed)
    minute = np.sort(rng.integers(0, 3 * many, many))
    angle = turn * minute / (7 * 24 * 60)
    a, b = rng.normal(size=(2, many))
    chance = 1 / (1 + np.exp(-2.0 * (np.cos(angle) * a + np.sin(angle) * b)))
    rows = pd.DataFrame(
        {
            "key": rng.integers(0, 20, many).astype(str),
            "decision_time": pd.Timestamp("2025-01-06") + pd.to_timedelta(minute, unit="min"),
            "a": a,
            "b": b,
            "label": (rng.random(many) < chance) * 1.0,
        }
    )
    spec = declared(
        "world",
        {"a": "float", "b": "float"},
        "28d",
        label={"kind": "own_row", "column": "y", "known_at": "known", "horizon": "1h"},
        estimator={
            "path": "sklearn.linear_model.SGDClassifier",
            "parameters": {"loss": "log_loss", "learning_rate": "constant", "eta0": 0.01},
        },
        metric={"name": "log_loss", "minimum_effect": 0.01},
    )
    return Series(spec, rows)


def hourly(name: str, table: pd.DataFrame) -> Series:
    """A day ahead: the value 24 hours later from values, hour and weekday of now.

    Arguments:
        table: columns key, at (hourly) and y.
    """
    parts = []
    for key, own in table.groupby("key"):
        values = own.drop_duplicates("at").set_index("at")["y"].asfreq("h")
        level = values.rolling(28 * 24, min_periods=24).mean()
        part = pd.DataFrame({"now": values, "day": values.shift(24), "week": values.shift(144)})
        part = part.div(level, axis=0)
        part["label"] = values.shift(-24) / level
        ahead = pd.DatetimeIndex(values.index) + pd.Timedelta(days=1)
        part["hour"], part["weekday"] = ahead.hour.astype(str), ahead.day_of_week.astype(str)
        part["hour"] += np.where(ahead.day_of_week < 5, "", "w")
        parts.append(part.dropna().rename_axis("decision_time").reset_index().assign(key=key))
    rows = pd.concat(parts).sort_values(["decision_time", "key"], ignore_index=True)
    spec = declared(
        name,
        {
            "now": "float",
            "day": "float",
            "week": "float",
            "hour": "string",
            "weekday": "string",
        },
        "182d",
        label={"kind": "own_row", "column": "y", "known_at": "known", "horizon": "1d"},
        estimator={
            "path": "sklearn.linear_model.SGDRegressor",
            "parameters": {"learning_rate": "constant", "eta0": 0.001},
        },
        metric={"name": "absolute_error", "minimum_effect": 0.002},
    )
    return Series(spec, rows)


def metro_traffic(data: Path) -> Series:
    """Traffic on an interstate near Minneapolis."""
    found = pd.read_csv(data / "metro_traffic" / "Metro_Interstate_Traffic_Volume.csv.gz")
    at = pd.to_datetime(found["date_time"])
    table = pd.DataFrame({"key": "I-94", "at": at, "y": found["traffic_volume"].astype(float)})
    return hourly("metro_traffic", table[at >= pd.Timestamp("2015-07-01")].sort_values("at"))


def pjm_hourly_load(data: Path) -> Series:
    """Electricity load of eight zones."""
    parts = []
    for path in sorted((data / "pjm_hourly_load").glob("*_hourly.csv.gz")):
        found = pd.read_csv(path)
        at = pd.to_datetime(found["Datetime"])
        part = pd.DataFrame({"key": path.name.split("_")[0], "at": at, "y": found.iloc[:, 1]})
        parts.append(part[at >= pd.Timestamp("2017-07-01")].sort_values("at"))
    return hourly("pjm_hourly_load", pd.concat(parts))


def measure(series: Series, meter: Meter) -> dict[str, Any]:
    """The losses of each way, week by week, and what the gate says about each week."""
    spec, times = series.spec, series.rows["decision_time"]
    first, last = (times.iloc[at].to_pydatetime().replace(tzinfo=UTC) for at in (0, -1))
    start = grid_floor(first, HOUR) + HOUR + spec.split.train + spec.maturity + WEEK
    losses: dict[str, list[float]] = {way: [] for way in WAYS}
    past: deque[IntervalChange] = deque(maxlen=MEMORY)
    stopped = dict.fromkeys(STOPPED, 0)
    judged, rng = 0, np.random.default_rng(1)
    going: Pipeline | None = None
    for week in range(int((last - start) / WEEK)):
        at = start + week * WEEK
        known = at - spec.maturity
        training = series.between(known - spec.split.train, known)
        with meter.step(WAYS[0]):
            batch = fit(spec, training, 1).pipeline
        going = going or copy.deepcopy(batch)
        reference = spread_rows(spec, series.between(known - WEEK, known), REFERENCE)
        points = series.between(known, at + WEEK)
        answered = points[points["decision_time"] >= pd.Timestamp(at).tz_localize(None)]
        with meter.step(WAYS[0]):
            fixed = IncrementalLearner(batch, spec, answered).answers(slice(None))
        losses["weekly"].append(_loss(spec, answered, fixed))
        hour = at + int(rng.integers(24, 144)) * HOUR
        for way, pipeline in (("continuous", going), ("both", batch)):
            with meter.step(way):
                found = _followed(pipeline, spec, points, reference, (at, hour))
            losses[way].append(_loss(spec, answered, found.answers))
            if way == "both":
                if len(past) == MEMORY:
                    judged += 1
                    stopped["ordinary weeks"] += _stopped(found.changes, past)
                    stopped["poisoned hours"] += _stopped([found.poisoned], past)
                past.extend(found.changes)
    gains = {way: np.subtract(losses["weekly"], losses[way]).tolist() for way in WAYS[1:]}
    return {
        "rows": len(series.rows),
        "weeks": len(losses["weekly"]),
        "loss": {way: _mean(found) for way, found in losses.items()},
        "gain over weekly": {way: _mean(found) for way, found in gains.items()},
        "stopped": {**stopped, "of": judged},
    }


@dataclass(frozen=True)
class Followed:
    """A week of hourly updates.

    Arguments:
        answers: to the points of the week.
        changes: of each interval that was learned.
        poisoned: of an hour whose labels are flipped, or ten times as large.
    """

    answers: Any
    changes: list[IntervalChange]
    poisoned: IntervalChange


def _followed(
    pipeline: Pipeline,
    spec: ModelSpec,
    points: pd.DataFrame,
    reference: pd.DataFrame,
    instants: tuple[datetime, datetime],
) -> Followed:
    every, (at, hour) = UPDATE.every, instants
    both = pd.concat([points, reference], ignore_index=True)
    followed = range(len(points), len(both))
    learner, waiting = IncrementalLearner(pipeline, spec, both), deque(intervals(points, every))
    label = label_numbers(reference["label"], spec.classes)
    changes, answers, poisoned = list[IntervalChange](), [], None
    for interval in [*waiting]:
        due: list[GridInterval] = []
        while waiting and waiting[0].start + every + spec.maturity <= interval.start:
            due.append(waiting.popleft())
        changes += [_change(one, label) for one in learn_each(learner, due, followed)]
        if interval.start >= at:
            answers.append(learner.answers(interval.rows))
        if interval.start >= hour and poisoned is None:
            wrong = points.iloc[interval.rows]
            flipped = 1 - wrong["label"] if spec.classes else 10 * wrong["label"]
            wrong = pd.concat([wrong.assign(label=flipped), reference], ignore_index=True)
            copied = IncrementalLearner(copy.deepcopy(pipeline), spec, wrong)
            many = len(wrong) - len(reference)
            places = range(many, len(wrong))
            [one] = learn_each(copied, [GridInterval(interval.start, slice(0, many))], places)
            poisoned = _change(one, label)
    if poisoned is None:
        raise ValueError("the week has no hour to poison")
    return Followed(np.concatenate(answers), changes, poisoned)


def _change(learned: Learned, label: Any) -> IntervalChange:
    moved = answer_change(label, learned.before, learned.after)
    return IntervalChange(
        start=learned.interval.start, rows=learned.rows, change=moved, error=learned.error
    )


def _stopped(new: list[IntervalChange], past: Sequence[IntervalChange]) -> bool:
    """Whether the gate of updates stops these intervals."""
    both = (one(UPDATE, new, past) for one in (answers_finding, labels_finding))
    return any(finding.verdict is not Verdict.PASS for finding in both)


def _loss(spec: ModelSpec, rows: pd.DataFrame, answers: Any) -> float:
    label = label_numbers(rows["label"], spec.classes)
    return -float(primary_metric(spec).utilities(label, answers, rows).mean())


def _mean(values: list[float]) -> dict[str, float]:
    error = float(np.std(values, ddof=1) / math.sqrt(len(values)))
    return {"mean": round(float(np.mean(values)), 5), "standard_error": round(error, 5)}


def _series(name: str, data: Path, rows: int) -> Iterator[tuple[str, Series]]:
    if name == "world":
        for turn in (0.0, 0.05, 0.2):
            yield f"world that turns by {turn} a week", world(turn, seed=3, many=rows)
    else:
        read = {"metro_traffic": metro_traffic, "pjm_hourly_load": pjm_hourly_load}[name]
        series = read(data)
        yield name, Series(series.spec, series.rows.head(rows))


def table(found: dict[str, dict[str, Any]]) -> str:
    """The figures as Markdown."""
    heads = "series | points | weeks | weekly | gain of both | gain of continuous"
    heads += "".join(f" | {kind} stopped" for kind in STOPPED)
    lines = [f"| {heads} |", f"|---{'|---:' * 7}|"]
    for name, one in found.items():
        losses = [
            one["loss"]["weekly"],
            *(one["gain over weekly"][way] for way in ("both", "continuous")),
        ]
        cells = [f"{each['mean']:.5f} ({each['standard_error']:.5f})" for each in losses]
        stopped = [f"{one['stopped'][kind]} of {one['stopped']['of']}" for kind in STOPPED]
        lines.append(
            f"| {name} | {one['rows']:,} | {one['weeks']} | {' | '.join([*cells, *stopped])} |"
        )
    return "\n".join(lines)


def main() -> None:
    """Measure each series; the last line is the JSON object."""
    parser = BENCHMARK.parser(__doc__)
    parser.add_argument("--set", default="world", help="world, metro_traffic or pjm_hourly_load")
    parser.add_argument("--data", type=Path, default=Path(), help="folder of published data")
    given = parser.parse_args()
    meter, load = Meter(), os.getloadavg()[0]
    found = {
        name: measure(series, meter) for name, series in _series(given.set, given.data, given.rows)
    }
    weekly, both = meter.steps["weekly"], meter.steps["both"]
    weeks = sum(one["weeks"] for one in found.values())
    text = [
        table(found),
        "",
        f"A week's hourly updates take {both.cpu_s / weeks:.2f} CPU seconds, the week's retraining",
        f"{weekly.cpu_s / weeks:.2f}. {load:.1f} processes wanted a core when it began.",
    ]
    usual = given.set == "world" and given.rows == BENCHMARK.rows
    title = "updates every hour, a simulated year" if usual else ""
    answer = side_by_side(both, weekly, ratio_digits=4)
    BENCHMARK.conclude(given, answer | {"series": found}, "\n".join(text), title)


if __name__ == "__main__":
    main()
