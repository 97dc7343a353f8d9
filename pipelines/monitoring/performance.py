"""Realised performance: the metric by week, and whether the newest week is worse than before."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date, datetime
from itertools import takewhile
from typing import TYPE_CHECKING

import numpy as np

from pipelines.core.arrays import Floats, Mask
from pipelines.core.findings import Finding, Verdict
from pipelines.core.weeks import week_of
from pipelines.gates.refresh.record import week_window
from pipelines.monitoring.metrics.mean_interval import mean_interval
from pipelines.monitoring.report import Alarm, Cause, Performance, WeekPerformance
from pipelines.spec.model import ModelSpec
from pipelines.stats.prediction_bound import false_alarm_rate, upper_prediction_bound
from pipelines.stats.undefined import Undefined
from pipelines.training.fit import label_numbers
from pipelines.training.metrics import primary_metric
from pipelines.training.split import inside

if TYPE_CHECKING:
    import pandas as pd

WORSE = "performance.worse"
FEWEST = 30  # labels that a week needs to be shown


def week_performance(
    spec: ModelSpec, rows: pd.DataFrame, predictions: Floats, monday: datetime, as_of: datetime
) -> WeekPerformance | None:
    """The metric on one week's labels that have matured so far.

    Arguments:
        spec: the champion's declaration.
        rows: decision points with keys, decision_time and label (missing where not matured).
        predictions: of each row, shape as in ``Scored``.
        monday: start of the week.
        as_of: the instant of the report.

    Returns:
        The metric with its interval; ``None`` with fewer than 30 labels, or where the metric is not
        defined. ``held_out`` is false.
    """
    week = week_of(monday)
    here = inside(rows, week)
    known: Mask = here & rows["label"].notna().to_numpy(dtype=bool)
    if int(known.sum()) < FEWEST:
        return None
    part, metric = rows[known], primary_metric(spec)
    label = label_numbers(part["label"], spec.classes)
    try:
        utilities = metric.utilities(label, predictions[known], part)
    except Undefined:
        return None
    return WeekPerformance(
        start=monday.date(),
        held_out=False,
        points=int(here.sum()),
        labelled=len(part),
        complete=week.end + spec.maturity <= as_of,
        value=metric.value(utilities),
        interval=mean_interval(
            spec, utilities if metric.higher_is_better else 0.0 - utilities, part
        ),
    )


def performance(
    spec: ModelSpec, weeks: Sequence[WeekPerformance], recorded: Mapping[date, float]
) -> Performance:
    """The weeks with their reference and bound.

    The reference are weeks in which the recipe was scored by a model that had not trained on them:
    those of the recipe's record, else those that the twin predicted in its recent window.

    Arguments:
        spec: the declaration with the settings of monitoring.
        weeks: oldest first.
        recorded: the loss of the freshest candidate in each recorded week, lower is better.
    """
    metric = primary_metric(spec)
    sign = -1.0 if metric.higher_is_better else 1.0
    reference = (week for week in weeks if week.held_out and not week.after_recent)
    held_out = {week.start: sign * week.value for week in reference}
    served = {week.start for week in weeks if not week.held_out}
    losses = np.array(
        [loss for start, loss in sorted((held_out | dict(recorded)).items()) if start not in served]
    )
    alpha = spec.monitor.alpha
    bound = rate = None
    if len(losses) >= 2:
        least = float(losses.mean()) + spec.monitor.cost * spec.metric.minimum_effect
        bound = max(upper_prediction_bound(losses, alpha), least)
        rate = false_alarm_rate(losses, alpha)
    return Performance(
        metric=metric.name,
        higher_is_better=metric.higher_is_better,
        weeks=tuple(weeks),
        reference=None if not len(losses) else sign * float(losses.mean()),
        bound=None if bound is None else sign * bound,
        reference_weeks=len(losses),
        false_alarm_rate=rate,
    )


def performance_alarm(found: Performance) -> Alarm | None:
    """The alarm of a newest week that is worse than the bound; ``None`` without one.

    A week counts by its metric when all its labels have had time to arrive. Before that, it counts
    only if the better end of its interval is worse than the bound.
    """
    if found.bound is None or found.reference is None:
        return None
    sign = -1.0 if found.higher_is_better else 1.0
    bound, reference = sign * found.bound, sign * found.reference
    own = [week for week in found.weeks if not week.held_out]
    known = [
        (week, loss)
        for week in own
        if (loss := _counted(week, sign)) is not None and (week.complete or loss > bound)
    ]
    worse = list(takewhile(lambda one: one[1] > bound, reversed(known)))
    if not worse:
        return None
    newest, loss = worse[0]
    first = worse[-1][0]
    excess = float(np.mean([sign * week.value - reference for week, _ in worse]))
    side = "below" if found.higher_is_better else "above"
    return Alarm(
        name=WORSE,
        cause=Cause.MODEL,
        subject=found.metric,
        size=newest.value,
        unit=found.metric,
        threshold=found.bound,
        interval=newest.interval,
        since=week_window(first.start).start,
        cost=excess,
        false_alarm_rate=found.false_alarm_rate,
        quiet_windows=found.reference_weeks,
        evidence=f"{found.metric} {newest.value:.4g} in the week of {newest.start}, {side} the "
        f"bound of {found.bound:.4g}; {found.reference:.4g} in {found.reference_weeks} earlier "
        f"weeks ({newest.labelled:,} of {newest.points:,} labels)",
    )


def harmless_since(found: Performance) -> datetime | None:
    """The start of the newest week whose labels are complete, if no week is beyond the bound."""
    complete = [week for week in found.weeks if week.complete and not week.held_out]
    if found.bound is None or not complete or performance_alarm(found) is not None:
        return None
    return week_window(complete[-1].start).start


def naive_alarm(finding: Finding, since: datetime) -> Alarm | None:
    """The alarm of a champion that was shown to be worse than the naive forecast.

    Arguments:
        finding: of the newest comparison.
        since: when it was compared.
    """
    if finding.verdict is not Verdict.FAIL:
        return None
    return Alarm(
        name=finding.name,
        cause=Cause.MODEL,
        subject=finding.unit,
        size=finding.value,
        unit=finding.unit,
        threshold=finding.threshold,
        interval=finding.interval,
        since=since,
        cost=None if finding.value is None else -finding.value,
        evidence=finding.reason,
    )


def _counted(week: WeekPerformance, sign: float) -> float | None:
    """The loss that a week is judged by."""
    if week.complete:
        return sign * week.value
    if week.interval is None:
        return None
    end = week.interval.low if sign > 0 else week.interval.high
    return None if end is None else sign * end
