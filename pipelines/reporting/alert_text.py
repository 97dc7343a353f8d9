"""An alert as a message that a person can act on at night."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from pipelines.core.findings import Interval
from pipelines.core.time import instant_text
from pipelines.monitoring.alerts import BROKEN_DATA, BY_SUBJECT, Message, OpenAlert, alarms_of
from pipelines.monitoring.report import Alarm, MonitorReport
from pipelines.monitoring.triage import triage
from pipelines.reporting.monitor_text import ACTIONS, HEALTH, false_alarms_text, since_text

SHOWN = 5  # further alarms that are named


def alert_message(alert: OpenAlert, report: MonitorReport, held: int, link: str) -> Message:
    """The message of an alert: what, since when, how sure, what it costs, what to do, and where.

    Arguments:
        alert: its alarms are in the report.
        report: the newest.
        held: further alerts that the weekly budget holds back.
        link: address of a page with the whole report; "" for none.
    """
    alarms = alarms_of(alert, report)
    first, action = alarms[0], triage(report.model, alarms)
    what = f"{ACTIONS[action.kind]}: {first.subject} since {since_text(first)}"
    heading = f"{report.model} version {report.version}, as of {instant_text(report.as_of)}"
    lines = [
        f"{heading}: {HEALTH[report.health]}",
        "",
        f"What: {first.evidence}",
        f"Since: {since_text(first)}",
        f"How sure: {_certainty(first)}",
        f"Cost: {_cost(first, report.performance.metric)}",
        f"Do: {'; '.join(filter(None, (ACTIONS[action.kind], action.next_step)))}",
        *_further(alarms[1:]),
        *([f"Held back by the weekly budget: {held} more; `{_shown(report)}`"] if held else []),
        f"Whole report: {link or f'`{_shown(report)}`'}",
    ]
    return Message(
        id=f"{report.model} {alert.id}",
        model=report.model,
        subject=f"{report.model}: {what}",
        text="\n".join(lines),
        link=link,
    )


def _shown(report: MonitorReport) -> str:
    return f"gauntlet monitor {report.model} --as-of {instant_text(report.as_of)}"


def _certainty(alarm: Alarm) -> str:
    counted = "counted on every row that arrived" if alarm.cause in BY_SUBJECT else ""
    size = _interval(alarm.interval) if alarm.interval else counted
    return "; ".join(filter(None, [size, false_alarms_text(alarm)]))


def _interval(interval: Interval) -> str:
    low = "" if interval.low is None else f" from {interval.low:.4g}"
    high = "" if interval.high is None else f" to {interval.high:.4g}"
    return f"{interval.level:.0%} interval{low}{high}"


def _cost(alarm: Alarm, unit: str) -> str:
    if alarm.cost is not None:
        return f"about {alarm.cost:.3g} {unit} a point"
    wait = "the data is correct and labels have matured" if alarm.cause in BROKEN_DATA else ""
    return f"unknown until {wait or 'labels have matured'}"


def _further(alarms: Sequence[Alarm]) -> Iterator[str]:
    if not alarms:
        return
    names = ", ".join(alarm.subject for alarm in alarms[:SHOWN])
    more = len(alarms) - SHOWN
    yield f"Same cause: {names}" + (f" and {more} more" if more > 0 else "")
