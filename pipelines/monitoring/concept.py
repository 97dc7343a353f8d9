"""Concept drift: a lasting rise of the champion's daily losses, found by the Page-Hinkley test.

It adds up small rises, so that it finds those that no single week shows. The bound of a week
(``performance``) finds large ones sooner.
"""

from __future__ import annotations

from datetime import UTC, datetime

import numpy as np
import pandas as pd

from pipelines.core.time import utc
from pipelines.drift.concept import false_alarm_rate, lasting_rise
from pipelines.monitoring.metrics.predicted_rows import PredictedRows
from pipelines.monitoring.report import Alarm, Cause
from pipelines.spec.model import ModelSpec
from pipelines.stats.undefined import Undefined
from pipelines.training.fit import label_numbers
from pipelines.training.metrics import primary_metric
from pipelines.training.split import decision_times

CONCEPT = "drift.concept"


def daily_losses(spec: ModelSpec, points: PredictedRows) -> pd.Series:
    """The mean loss of each day's labelled points, lower is better.

    Returns:
        By midnight UTC, oldest first; empty without labels, or where the metric is not defined.
    """
    known = points.labelled
    part = known.rows
    try:
        label = label_numbers(part["label"], spec.classes)
        losses = 0.0 - primary_metric(spec).utilities(label, known.predictions, part)
    except Undefined:
        return pd.Series(dtype=float)
    return pd.Series(losses).groupby(decision_times(part).dt.floor("D").to_numpy()).mean()


def concept_alarm(spec: ModelSpec, held_out: PredictedRows, served: PredictedRows) -> Alarm | None:
    """The alarm of daily losses that have risen for good; ``None`` without one.

    Losses are standardised by the days of the recent window. The rise counts from where it began
    to add up, and has to cost ``monitor.cost`` minimum effects.

    Arguments:
        spec: the declaration with the settings of monitoring.
        held_out: predictions of the twin in its recent window.
        served: those of the champion, later.
    """
    before, after = daily_losses(spec, held_out), daily_losses(spec, served)
    usual = before.to_numpy(np.float64)
    began = lasting_rise(usual, after.to_numpy(np.float64))
    if began is None:
        return None
    risen = after.iloc[began:]
    excess = float(risen.mean()) - float(before.mean())
    limit = spec.monitor.cost * spec.metric.minimum_effect
    if excess < limit:
        return None
    since: datetime = risen.index[0].to_pydatetime()
    unit = spec.metric.name.value
    return Alarm(
        name=CONCEPT,
        cause=Cause.MODEL,
        subject=unit,
        size=excess,
        unit=unit,
        threshold=limit,
        since=utc(since.replace(tzinfo=UTC)),
        cost=excess,
        false_alarm_rate=false_alarm_rate(usual),
        quiet_windows=len(usual) // 7,
        evidence=f"the daily {unit} has been worse by {excess:.4g} since {since.date()} "
        f"({len(risen)} days) than in the {len(before)} days of the recent window "
        "(Page-Hinkley test)",
    )
