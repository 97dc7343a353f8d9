"""Estimates of a metric before labels mature, in worlds that stay as they were and in others."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

import numpy as np
import pandas as pd
from scipy.special import expit

from pipelines.monitoring.metrics.estimates import Estimates
from pipelines.monitoring.metrics.label_free import estimate
from pipelines.monitoring.metrics.predicted_rows import PredictedRows
from pipelines.spec.model import ModelSpec
from tests.montecarlo.row import MeanRow, Row
from tests.support.training_frame import declared_classification, declared_regression

SEED = 340
WEEKS, A_DAY = 9, 60  # the newest week has no labels
START = datetime(2026, 1, 5, tzinfo=UTC)
END = START + timedelta(weeks=WEEKS)
PROMISED = 0.87  # of intervals at 0.9


@dataclass(frozen=True)
class LabelFreeWorld:
    """Weeks of points of 40 shops; in the newest one, something may have changed.

    Arguments:
        two_classes: a probability is predicted, else a number.
        harder: how much the feature that decides about the error is larger in the newest week.
        weaker: the labels of the newest week depend on the features by this factor.
    """

    two_classes: bool
    harder: float = 0.0
    weaker: float = 1.0

    @property
    def spec(self) -> ModelSpec:
        """The declaration; the metric is the log loss or the absolute error."""
        if not self.two_classes:
            return declared_regression()
        label = declared_classification().label.model_dump(mode="json") | {"classes": ["0", "1"]}
        return declared_classification(label=label)

    def draw(self, rng: np.random.Generator) -> PredictedRows:
        """The points, with all labels."""
        n = WEEKS * 7 * A_DAY
        day = np.arange(n) // A_DAY
        newest = day >= 7 * (WEEKS - 1)
        x = rng.normal(size=n) + self.harder * newest
        week = rng.normal(0, 0.05, WEEKS)[day // 7]  # weeks differ a little
        slope = np.where(newest, self.weaker, 1.0)
        if self.two_classes:
            predicted = expit(1.5 * x)
            label = (rng.random(n) < expit(slope * 1.5 * x + week)) * 1.0
        else:
            predicted = 2.0 * x
            label = slope * 2.0 * x + (0.5 + np.abs(x)) * np.exp(week) * rng.normal(size=n)
        rows = pd.DataFrame(
            {
                "shop": [f"s{number}" for number in rng.integers(0, 40, n)],
                "decision_time": pd.Timestamp(START).tz_localize(None) + pd.to_timedelta(day, "D"),
                "size": x,
                "price": rng.normal(size=n),
                "open": rng.random(n) < 0.5,
                "kind": rng.choice(["a", "b"], n),
                "label": label,
            }
        )
        return PredictedRows(rows, predicted)


def _tried(world: LabelFreeWorld, rng: np.random.Generator) -> tuple[Estimates, float]:
    """The estimates at the end of the newest week, and what its labels will say."""
    about, spec = world.draw(rng), world.spec
    matured = about.rows["decision_time"] <= (END - spec.maturity).replace(tzinfo=None)
    known = about.rows.assign(label=about.rows["label"].where(matured))
    found = estimate(spec, (PredictedRows(known, about.predictions),), END)
    later = estimate(spec, (about,), END + timedelta(weeks=2))
    if found is None or later is None or later.weeks[-1].realised is None:
        raise ValueError("the newest week was not estimated")
    return found, later.weeks[-1].realised


def _inside(found: Estimates, truth: float) -> bool:
    if found.interval is None or found.interval.low is None or found.interval.high is None:
        raise ValueError("there is no interval")
    error = found.unknown[-1].value - truth
    return found.interval.low <= error <= found.interval.high


WORLDS = (
    ("nothing changes", LabelFreeWorld(True), True),
    ("rows become harder", LabelFreeWorld(True, harder=0.5), True),
    ("labels depend half as much", LabelFreeWorld(True, weaker=0.5), False),
)


def label_free_estimates(replications: int) -> Iterator[Row | MeanRow]:
    """One week without labels after eight with: whether its interval contains the truth.

    An estimate follows rows that become harder or easier. It cannot follow a changed relation
    between features and labels; those rows have no promise.
    """
    for classes, method in ((True, "CBPE, log loss"), (False, "DLE, absolute error")):
        for seed, (where, world, promised) in enumerate(WORLDS):
            rng = np.random.default_rng([SEED, seed, classes])
            tries = [_tried(replace(world, two_classes=classes), rng) for _ in range(replications)]
            held = sum(_inside(found, truth) for found, truth in tries)
            yield Row(f"truth in the 90 % interval, {method}", where, held, replications,
                      "at least" if promised else None, PROMISED)  # fmt: skip
            share = np.array([found.unknown[-1].value / truth - 1 for found, truth in tries])
            yield MeanRow(f"estimate over truth minus 1, {method}", where, share)
