"""Sums, by entity and day, of the events behind live metrics, with the number of late events."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

import numpy as np

from pipelines.core.names import Column, internal
from pipelines.core.time import utc
from pipelines.outcomes.log import days_since
from pipelines.spec.fields import Condition
from pipelines.spec.live_metrics import OF_THE_LOG
from pipelines.spec.model import ModelSpec
from pipelines.spec.points import OwnRowLabel
from pipelines.spec.rollout import LiveMeasure, Rollout

if TYPE_CHECKING:
    import ibis
    import pandas as pd

DAY = timedelta(days=1)
CODE, DAY_OF = internal("code"), internal("day")
TOTAL, COUNT, LATE = internal("total"), internal("count"), internal("late")
_AT, _KNOWN = internal("at"), internal("known")


@dataclass(frozen=True)
class MetricEvents:
    """The events of a stream that a metric is computed from.

    Arguments:
        stream: name of the stream.
        key_columns: the stream's column for each key of the decision point that it contains.
        where: conditions that an event has to meet.
        column: the column to sum; None if events are only counted.
        delay: time from the end of a day until all of its events are known.
        declared_at: place in the declaration, for error messages.
    """

    stream: str
    key_columns: Mapping[Column, Column]
    where: tuple[Condition, ...]
    column: Column | None
    delay: timedelta
    declared_at: str


def measure_events(spec: ModelSpec, measure: LiveMeasure) -> MetricEvents:
    """Return the events that a business measure is computed from."""
    keys = spec.points.keys
    by = dict(zip(keys, measure.by or keys, strict=True))
    where, column = measure.where, measure.column
    return MetricEvents(measure.stream, by, where, column, measure.delay, "rollout.measures")


def outcome_events(spec: ModelSpec, rollout: Rollout) -> MetricEvents | None:
    """Return the events that a canary's outcome is computed from.

    Returns:
        The events, or None in three cases: the outcome is a metric of the log; the label is a
        column of its own row (missing labels are counted elsewhere); or the label is matched by
        columns other than the entity's keys, so that its events belong to no single entity.
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
    """Sum the events in ``[began, end)`` by entity and day.

    Arguments:
        events: the events to sum.
        spec: the declaration of the model.
        table: the stream as known.
        began: start of day 0.
        end: end of the period, exclusive.

    Returns:
        The keys, ``:day``, ``:total``, ``:count``, and ``:late``: the number of events that became
        known later than ``events.delay`` after the end of their day.
    """
    import ibis

    from pipelines.features.conditions import holding

    found = holding(table, events.where, spec.streams[events.stream].columns, events.declared_at)
    low, high = (utc(bound).replace(tzinfo=None) for bound in (began, end))
    found = found.filter((found.event_time >= low) & (found.event_time < high))
    if events.column is not None:
        found = found.filter(found[events.column].notnull())
    rows = found.select(
        *(found[column].name(key) for key, column in events.key_columns.items()),
        found.event_time.name(_AT),
        found.known_time.name(_KNOWN),
        (found[events.column].cast("float64") if events.column else ibis.literal(1.0)).name(TOTAL),
    ).to_pandas()
    day = days_since(rows[_AT].to_numpy("datetime64[us]"), began)
    due = np.datetime64(low, "us") + (day + 1) * np.timedelta64(DAY) + np.timedelta64(events.delay)
    rows[DAY_OF], rows[COUNT] = day, 1.0
    rows[LATE] = (rows[_KNOWN].to_numpy("datetime64[us]") > due).astype(np.float64)
    columns = [TOTAL, COUNT, LATE]
    sums: pd.DataFrame = rows.groupby([*events.key_columns, DAY_OF], sort=True)[columns].sum()
    return sums.reset_index()
