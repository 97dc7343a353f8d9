"""The page of a monitoring report in MLflow: its text, metrics by week, plots and the report."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import UTC, datetime

from pipelines.core.markup import markdown_block
from pipelines.core.run_page import RunPage, Values
from pipelines.core.time import instant_text
from pipelines.monitoring.report import REPORT_FORMAT, MonitorReport
from pipelines.release.ledger import LIVE
from pipelines.reporting.monitor_plots import monitor_plots
from pipelines.reporting.monitor_text import monitor_text

INSTANT = "gauntlet.monitored"
_NOT_IN_NAMES = re.compile(r"[^\w.\- /]", re.ASCII)  # MLflow refuses names of metrics with others
Value = tuple[str, datetime, float]


def report_page(report: MonitorReport) -> RunPage:
    """Compose the page of a report."""
    metrics: dict[str, list[tuple[datetime, float]]] = {}
    for name, at, value in _metrics(report):
        metrics.setdefault(_NOT_IN_NAMES.sub("_", name), []).append((at, value))
    text = "\n".join(monitor_text(report))
    health = report.health.replace("_", " ")
    return RunPage(
        model=report.model,
        lineage=LIVE,
        key=(INSTANT, instant_text(report.as_of)),
        version=report.version,
        started=report.as_of,
        ended=report.as_of,
        content=report.digest,
        title=f"{report.as_of:%Y-%m-%d} monitor v{report.version}: {health}",
        text=markdown_block(text),
        tags={
            "gauntlet.health": report.health,
            "gauntlet.action": report.action.kind.value,
            "gauntlet.version": report.version,
            "gauntlet.as_of": instant_text(report.as_of),
        },
        metrics=metrics,
        files={
            "report.json": REPORT_FORMAT.to_text(report).encode(),
            "report.txt": f"{text}\n".encode(),
            **monitor_plots(report),
        },
    )


def champion_chart(report: MonitorReport) -> Values:
    """The champion's metric in each week whose labels have all arrived."""
    weeks = [
        (datetime.combine(week.start, datetime.min.time(), UTC), week.value)
        for week in report.performance.weeks
        if week.complete and not week.held_out
    ]
    return {f"champion/{report.performance.metric}": weeks}


def _metrics(report: MonitorReport) -> Iterator[Value]:
    """Performance, drift and training range by week, and the sizes and costs of alarms."""
    for week in report.performance.weeks:
        start = datetime.combine(week.start, datetime.min.time(), UTC)
        yield f"performance/{report.performance.metric}", start, week.value
    for drift in report.drift:
        for judged in drift.weeks:
            yield f"drift/{drift.column}", judged.week, judged.distance
    for part in report.ranges:
        for checked in part.weeks:
            yield f"training_range/{part.source}", checked.start, checked.share
    yield "alarms", report.as_of, float(len(report.alarms))
    yield "age_weeks", report.as_of, report.age.weeks
    for alarm in report.alarms:
        if alarm.size is not None:
            yield f"alarm/{alarm.name}", report.as_of, alarm.size
        if alarm.cost is not None:
            yield f"cost/{alarm.name}", report.as_of, alarm.cost
