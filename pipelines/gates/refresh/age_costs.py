"""What candidates of an age lost against the freshest one, for a chart of the cost by age."""

from __future__ import annotations

import numpy as np
from pydantic import Field

from pipelines.core.records import Record
from pipelines.gates.refresh.record import RecordedWeek, RefreshRecord
from pipelines.stats.ageing import PooledMean, pooled_mean

AGES = (1, 2, 4, 8, 13, 26)  # weeks


class AgeCost(Record):
    """What candidates lost that were older than the freshest one by so many weeks."""

    age: int = Field(description="weeks")
    cost: PooledMean = Field(description="of the whole age, pooled over weeks")


def costs_by_age(record: RefreshRecord, span: int) -> tuple[AgeCost, ...]:
    """The loss of each age in ``AGES`` that at least two weeks have; youngest first.

    Unlike the slope, each age stands for itself: no line is fitted through them.

    Arguments:
        record: of the recipe.
        span: candidates that are older than the freshest by more weeks are left out.
    """
    found = []
    for age in AGES:
        known = [
            (lost, week.points)
            for week in record.weeks
            if (lost := _lost(week, age, span)) is not None
        ]
        if len(known) >= 2:
            losses, points = np.array(known, dtype=np.float64).T
            found.append(AgeCost(age=age, cost=pooled_mean(losses, points)))
    return tuple(found)


def _lost(week: RecordedWeek, age: int, span: int) -> float | None:
    ages, losses = week.by_age(span)
    if not len(ages):
        return None
    freshest = int(np.argmin(ages))
    same = np.flatnonzero(np.round(ages - ages[freshest]) == age)
    return float(losses[same[0]] - losses[freshest]) if len(same) else None
