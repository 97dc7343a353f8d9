"""Monitoring reports with chosen alarms."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

from pipelines.core.findings import Interval
from pipelines.drift.week_distance import WeekDistance
from pipelines.monitoring.report import (
    Age,
    Alarm,
    Cause,
    DriftWeeks,
    MonitorReport,
    Performance,
    RangeWeek,
    TrainingRange,
    WeekPerformance,
)
from pipelines.monitoring.triage import health, ranked, triage

DAY = timedelta(days=1)
MONDAY = datetime(2025, 4, 7, tzinfo=UTC)
WEEKS = tuple(
    WeekPerformance(
        start=date(2025, 3, 10) + n * timedelta(days=7),
        held_out=n == 0,
        points=700,
        labelled=700 - 100 * n,
        complete=n < 3,
        value=20.0 + 2 * n,
        interval=Interval(low=15.0 + n, high=25.0 + 3 * n, level=0.95),
    )
    for n in range(4)
)


def alarm(cause: Cause, subject: str = "sales.units", cost: float | None = None, **fields) -> Alarm:
    known = {
        "name": f"{cause.value}.{subject}",
        "size": 0.4,
        "unit": "share",
        "threshold": 0.1,
        "since": MONDAY - 7 * DAY,
        "evidence": f"{subject} has changed by a factor of 20",
    }
    return Alarm(cause=cause, subject=subject, cost=cost, **(known | fields))


def report(*alarms: Alarm, at: datetime = MONDAY) -> MonitorReport:
    performance = Performance(
        metric="absolute_error",
        higher_is_better=False,
        weeks=WEEKS,
        reference=20.0,
        bound=27.0,
        reference_weeks=8,
    )
    found = ranked(alarms)
    return MonitorReport(
        model="demand",
        version="3",
        as_of=at,
        snapshot="s",
        health=health(found, performance),
        action=triage("demand", found),
        alarms=found,
        performance=performance,
        age=Age(weeks=4.0, cost_of_week=None, cost=None),
        arrivals=(),
        findings=(),
    )


def drift(column: str, *distances: float) -> DriftWeeks:
    """Of the newest weeks, which end as of the report; the threshold is 0.1."""
    first = MONDAY - len(distances) * 7 * DAY
    weeks = tuple(
        WeekDistance(week=first + n * 7 * DAY, distance=distance)
        for n, distance in enumerate(distances)
    )
    return DriftWeeks(column=column, method="jensen_shannon", threshold=0.1, weeks=weeks)


def measured_report(*alarms: Alarm) -> MonitorReport:
    """A report with drift and a training range as well."""
    inside = RangeWeek(
        start=MONDAY - 7 * DAY,
        rows=500,
        share=0.93,
        interval=Interval(low=0.9, high=0.95, level=0.95),
        columns={"price": 0.93},
    )
    return report(*alarms).model_copy(
        update={
            "drift": (drift("price, net", 0.05, 0.2), drift("label", 0.02, 0.01)),
            "ranges": (TrainingRange(source="points", weeks=(inside,)),),
        }
    )
