"""What becomes of a monitoring report: a page in MLflow, rows of a stream, and alerts."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import TypeVar

from pipelines.core.errors import GauntletError, Unavailable
from pipelines.core.run_page import RunPages
from pipelines.core.time import Clock
from pipelines.data.objects import ObjectStore
from pipelines.flows.monitor.alert import AlertCollaborators, Sent, send_alerts
from pipelines.monitoring.report import MonitorReport

LEAD = timedelta(minutes=1)  # by which rows are known after the write begins
R = TypeVar("R")


@dataclass(frozen=True)
class DeliverCollaborators:
    """Where a report goes, besides its file.

    Arguments:
        pages: where its page is kept; None: it gets none.
        open_store: opens the object store of its stream; None: it adds no rows.
        alerts: what the sending of alerts works with; None: none is sent.
        clock: gives the time at which rows are known.
    """

    pages: RunPages | None
    open_store: Callable[[], ObjectStore] | None
    alerts: AlertCollaborators | None
    clock: Clock


def deliver(report: MonitorReport, collaborators: DeliverCollaborators) -> Sent:
    """Deliver a report. Safe to repeat: each part finds what it has done.

    A part that fails does not stop the others.

    Returns:
        What became of the alerts, and all failures; see ``refuse_failures``.
    """
    failures: list[str] = []

    def attempt(part: Callable[[], R], default: R) -> R:
        try:
            return part()
        except GauntletError as error:
            failures.append(error.summary)
            return default

    link, sent = "", Sent()
    if pages := collaborators.pages:
        link = attempt(lambda: _publish(pages, report), "")
    if open_store := collaborators.open_store:
        attempt(lambda: _write_rows(open_store(), report, collaborators.clock), "")
    if alerts := collaborators.alerts:
        sent = attempt(lambda: send_alerts(report, replace(alerts, link=link)), sent)
    return Sent(sent.lines, [*failures, *sent.failures])


def refuse_failures(sent: Sent) -> None:
    """Fail when a part of the delivery failed.

    Raises:
        Unavailable: names each failure.
    """
    if sent.failures:
        raise Unavailable(
            "a monitoring report could not be delivered everywhere",
            got="; ".join(sent.failures),
            hint="the report is in <home>/monitor; run again: only what is missing is delivered",
        )


def _publish(pages: RunPages, report: MonitorReport) -> str:
    from pipelines.reporting.monitor_page import champion_chart, report_page  # loads Matplotlib

    link = pages.publish(report_page(report))
    pages.continue_charts(report.model, report.version, champion_chart(report))
    return link


def _write_rows(store: ObjectStore, report: MonitorReport, clock: Clock) -> str:
    from pipelines.monitoring.stream import write_report

    return write_report(store, report, clock.now() + LEAD)
