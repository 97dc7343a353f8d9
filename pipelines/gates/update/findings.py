"""The findings of updates: their harm on the recent window, and of each new interval."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from scipy import stats

from pipelines.core.findings import Finding, Measurement, Verdict, make_finding
from pipelines.core.records import Instant, Record
from pipelines.core.time import instant_text
from pipelines.core.weeks import WEEK
from pipelines.gates.recent_window.findings import not_worse
from pipelines.gates.recent_window.record import Evaluation
from pipelines.gates.recent_window.refit import FEWEST, error_finding, largest_expected
from pipelines.gates.update.names import ANSWERS, ERROR, LABELS, NOT_WORSE

if TYPE_CHECKING:
    import pandas as pd

    from pipelines.core.arrays import Floats
    from pipelines.spec.model import ModelSpec
    from pipelines.spec.update import Update


class IntervalChange(Record):
    """How one interval of points was answered before it was learned, and how far it moved answers.

    ``change`` is the mean absolute difference of the answers to the same points before and after,
    as a share of their error before. ``error`` is the mean absolute error of the answers to the
    interval's own points before they were learned.
    """

    start: Instant
    rows: int
    change: float
    error: float


def answers_finding(
    update: Update, new: Sequence[IntervalChange], past: Sequence[IntervalChange]
) -> Finding:
    """Whether no new interval moves the answers further than earlier ones did.

    Arguments:
        update: as declared.
        new: the intervals that are added, at least one.
        past: those before them.
    """
    largest = max(new, key=lambda one: one.change)
    bound = largest_expected([one.change for one in past], _level(update))
    moved = f"{_named(largest)} move the answers by {largest.change:.2%} of the error"
    if bound is None:
        return _unknown(ANSWERS, moved, largest.change)
    return _bounded(ANSWERS, moved, largest.change, bound, f"{bound:.2%}", len(past), new)


def labels_finding(
    update: Update, new: Sequence[IntervalChange], past: Sequence[IntervalChange]
) -> Finding:
    """Whether the labels of no new interval contradict the answers more than earlier ones did.

    The mean error of an interval is expected below the prediction bound of normal deviations from
    the mean of all rows, each scaled by the root of its rows, and below the largest such deviation.

    Arguments:
        update: as declared.
        new: the intervals that are added, at least one.
        past: those before them.

    Source: Hahn, Meeker (1991), Statistical Intervals, section 4.7.
    """
    rows, errors = (np.array([getattr(one, key) for one in past]) for key in ("rows", "error"))
    if len(past) < FEWEST:
        return _unknown(LABELS, _contradict(new[0]), new[0].error)
    mean = float(np.average(errors, weights=rows))
    scaled = (errors - mean) * np.sqrt(rows)
    quantile = float(stats.t.ppf(_level(update), len(past) - 1))
    reach = quantile * float(np.sqrt(np.mean(np.square(scaled)))) * math.sqrt(1 + 1 / len(past))
    reach = max(reach, float(scaled.max()))
    worst = max(new, key=lambda one: (one.error - mean) * math.sqrt(one.rows))
    bound = mean + reach / math.sqrt(worst.rows)
    text = f"{bound:.4g}"
    return _bounded(LABELS, _contradict(worst), worst.error, bound, text, len(past), new)


def _level(update: Update) -> float:
    """The level of one of the two bounds for one interval."""
    return 1 - update.alpha / 2 * (update.every / WEEK)


def _named(one: IntervalChange) -> str:
    return f"the {one.rows:,} points of the interval at {instant_text(one.start)}"


def _contradict(one: IntervalChange) -> str:
    return f"the labels of {_named(one)} differ from the answers by {one.error:.4g} on average"


def _unknown(name: str, found: str, value: float) -> Finding:
    reason = f"{found}; a bound needs {FEWEST} earlier intervals"
    return make_finding(name, Verdict.NO_DATA, reason, Measurement(value=value))


def _bounded(
    name: str,
    found: str,
    value: float,
    bound: float,
    limit: str,
    past: int,
    new: Sequence[IntervalChange],
) -> Finding:
    passed = value <= bound * (1 + 1e-9)
    expected = f"up to {limit} is expected after {past:,} intervals"
    return make_finding(
        name,
        Verdict.PASS if passed else Verdict.FAIL,
        f"{found}; {expected}" if passed else f"{found}, and {expected}: are its labels right?",
        Measurement(value=value, threshold=bound, rows=sum(one.rows for one in new)),
    )


def not_worse_finding(spec: ModelSpec, evaluation: Evaluation) -> Finding:
    """Whether updates are shown not to do harm, on points that were answered before learned."""
    if evaluation.primary is None:
        reason = "updates were not compared: the recent window has too few labels"
        return make_finding(NOT_WORSE, Verdict.NO_DATA, reason)
    margin = spec.gates.refresh.cost * spec.metric.minimum_effect
    return not_worse(NOT_WORSE, margin, evaluation.primary)


def update_error_finding(
    spec: ModelSpec, rows: pd.DataFrame, before: Floats, after: Floats
) -> Finding:
    """Whether the updated model is not worse on the recent window than the champion as it serves.

    Arguments:
        spec: the declaration.
        rows: of the recent window, with labels as numbers.
        before: what the champion predicts for them.
        after: what the updated model predicts.
    """
    models = ("the champion", "the updated model")
    return error_finding(ERROR, models, spec, rows, (before, after), "on the recent window")
