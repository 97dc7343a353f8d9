"""The screen of a monitoring report."""

from __future__ import annotations

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
