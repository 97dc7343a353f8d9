"""Events that live metrics are made of, added up by entity and day, and how many came too late."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

import numpy as np

from pipelines.core.time import utc
from pipelines.outcomes.log import days_since
from pipelines.spec.fields import Column, Condition
from pipelines.spec.live_metrics import OF_THE_LOG
from pipelines.spec.model import ModelSpec
from pipelines.spec.points import OwnRowLabel
from pipelines.spec.rollout import LiveMeasure, Rollout

if TYPE_CHECKING:
    import ibis
    import pandas as pd

DAY = timedelta(days=1)
DAY_OF = ":day"


@dataclass(frozen=True)
class MetricEvents:
    """Events of a stream that a metric is made of.

    Arguments:
        key_columns: the stream's column for each key of the point that it has one for.
        column: what is added up; none where events are only counted.
        delay: from the end of a day until all of its events are known.
        declared_at: in the declaration, for errors.
    """

    stream: str
    key_columns: Mapping[Column, Column]
    where: tuple[Condition, ...]
    column: Column | None
    delay: timedelta
    declared_at: str


def measure_events(spec: ModelSpec, measure: LiveMeasure) -> MetricEvents:
    """What a business measure is made of."""
    keys = spec.points.keys
    by = dict(zip(keys, measure.by or keys, strict=True))
    where, column = measure.where, measure.column
    return MetricEvents(measure.stream, by, where, column, measure.delay, "rollout.measures")


def outcome_events(spec: ModelSpec, rollout: Rollout) -> MetricEvents | None:
    """What a canary's outcome is made of; none when it comes with the answer, or stands in its row.

    A label that stands in its own row is there or is missing, which is counted elsewhere. One
    that is not found by an entity's keys alone is of no entity.
    """
    name, label = rollout.canary.outcome.name, spec.label
    if name in rollout.measures:
        return measure_events(spec, rollout.measures[name])
    if name in OF_THE_LOG or isinstance(label, OwnRowLabel):
        return None
    if set(label.by) - set(spec.points.keys):
        return None
    by = {key: key for key in label.by}
    return MetricEvents(label.stream, by, label.where, None, label.delay, "label")


def sum_by_day(
    events: MetricEvents, spec: ModelSpec, table: ibis.Table, began: datetime, end: datetime
) -> pd.DataFrame:
    """Sums of events of a stretch.

    Arguments:
        table: the stream as known.
        began: from which days are counted.

    Returns:
        The keys, ``:day``, ``total``, ``count``, and ``late``: how many of them became known
        when their day had counted as complete.
    """
    from pipelines.features.conditions import holding

    found = holding(table, events.where, spec.streams[events.stream].columns, events.declared_at)
    low, high = (utc(bound).replace(tzinfo=None) for bound in (began, end))
    found = found.filter((found.event_time >= low) & (found.event_time < high))
    if events.column is not None:
        found = found.filter(found[events.column].notnull())
    rows = found.select(
        **{key: found[column] for key, column in events.key_columns.items()},
        at=found.event_time,
        known=found.known_time,
        total=found[events.column].cast("float64") if events.column else 1.0,
    ).to_pandas()
    day = days_since(rows["at"].to_numpy("datetime64[us]"), began)
    due = np.datetime64(low, "us") + (day + 1) * np.timedelta64(DAY) + np.timedelta64(events.delay)
    rows[DAY_OF], rows["count"] = day, 1.0
    rows["late"] = (rows["known"].to_numpy("datetime64[us]") > due).astype(np.float64)
    columns = ["total", "count", "late"]
    sums: pd.DataFrame = rows.groupby([*events.key_columns, DAY_OF], sort=True)[columns].sum()
    return sums.reset_index()
