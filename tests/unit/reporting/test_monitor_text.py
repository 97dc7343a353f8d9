"""The screen of a monitoring report."""

from __future__ import annotations

from datetime import timedelta

from pipelines.core.findings import Interval
from pipelines.monitoring.metrics.estimates import Estimates, WeekEstimate
from pipelines.monitoring.report import Arrival, Cause
from pipelines.reporting.monitor_text import WIDTH, monitor_text
from tests.support.monitor_reports import MONDAY, alarm, report


def screen(**fields: object) -> list[str]:
    return list(monitor_text(report(alarm(Cause.FEED).model_copy(update=fields))))


def test_each_alarm_has_how_often_it_would_have_been_false() -> None:
    measured = " ".join(screen(false_alarm_rate=0.02, quiet_windows=50))
    assert "cost unknown, false alarms in 2% of 50 quiet windows" in measured
    unknown = " ".join(screen(quiet_windows=2))
    assert "cost unknown, false alarms not measured: 2 quiet windows" in unknown


def test_the_heading_of_an_alarm_is_no_wider_than_the_screen() -> None:
    lines = screen(name="contract.envelope.dispensing.quantity_of_packs.range")
    assert max(map(len, lines)) <= WIDTH


def estimates(errors: Interval | None) -> list[str]:
    """The estimate of a week, after one or more weeks that were estimated 2 too low."""
    weeks = (
        WeekEstimate(start=MONDAY.date(), points=90, value=18.0, realised=20.0),
        WeekEstimate(start=MONDAY.date() + timedelta(days=7), points=90, value=21.0, realised=None),
    )
    found = Estimates(
        method="dle", metric="absolute_error", weeks=weeks, bias=-2.0, interval=errors
    )
    lines = list(monitor_text(report().model_copy(update={"estimates": found})))
    begin = next(at for at, line in enumerate(lines) if line.startswith("Estimate of"))
    return [" ".join(line.split()) for line in lines[begin + 1 : begin + 3]]


def test_an_estimate_is_corrected_as_its_interval_is() -> None:
    assert estimates(Interval(low=-3.0, high=-1.0, level=0.9)) == [
        "2025-04-14 23 22 to 24 90 points",
        "corrected: the estimates were 2 too low on average in 1 past week",
    ]
    assert estimates(None) == [
        "2025-04-14 21 90 points",
        "2 too low on average in 1 past week",
    ]


def test_a_row_that_has_just_arrived_is_less_than_a_minute_old() -> None:
    arrived = [
        Arrival(stream="sales", newest=MONDAY, silent_for_s=silent, longest_pause_s=5_400)
        for silent in (0, 29, 360)
    ]
    lines = list(monitor_text(report().model_copy(update={"arrivals": tuple(arrived)})))
    assert [line for line in lines if line.startswith("Stream")] == [
        f"Stream sales: newest row {age} ago, longest pause 2h"
        for age in ("less than 1m", "less than 1m", "6m")
    ]
