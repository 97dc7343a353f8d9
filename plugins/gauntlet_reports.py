"""What a task shows: lines in its log, the note of its run, and events of assets."""

from __future__ import annotations

import logging
import time
from typing import TYPE_CHECKING, Any

from airflow.sdk import get_current_context
from gauntlet_assets import change
from gauntlet_links import version_page

from pipelines.core.time import instant_text
from pipelines.flows.retrain.request import LIVE, STEPS, Request, Step, StepReport

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime

    from pipelines.connections import Connections
    from pipelines.monitoring.report import MonitorReport
    from pipelines.release.ledger import Ledger

NOTE = "note"  # key of an XCom
MOST_LINES = 35
CAN_STOP: tuple[Step, ...] = ("contract", "features", "availability")
log = logging.getLogger("gauntlet")


class Progress:
    """Logs what a task is doing, less often the longer it takes."""

    def __init__(self, first_s: float = 10.0) -> None:
        self._begun, self._wait_s = time.monotonic(), first_s

    def __call__(self, message: str) -> None:
        """Log the message, unless another was logged lately."""
        if time.monotonic() - self._begun >= self._wait_s:
            self._wait_s *= 2  # 12 lines in seven hours
            log.info("%s", message)


def show(lines: Iterable[str], whole: str) -> None:
    """Log lines as the shell prints them, but not more than a person reads in a log.

    Arguments:
        lines: empty ones are left out.
        whole: the command that prints all of them.
    """
    filled = [line for line in lines if line]
    for line in filled[:MOST_LINES]:
        log.info("%s", line)
    if len(filled) > MOST_LINES:
        log.info("and %d more lines: %s", len(filled) - MOST_LINES, whole)


def note(as_of: datetime, text: str) -> None:
    """Keep the outcome of the running task for the note of its run (``gauntlet_notes``)."""
    value = f"as of {as_of:%Y-%m-%d %H:%M}: {text}"
    get_current_context()["ti"].xcom_push(key=NOTE, value=value)


def note_failure(context: Any) -> None:
    """Keep why a task failed for the note of its run; a callback of every task."""
    error, ti = context.get("exception"), context["ti"]
    what = getattr(error, "summary", None) or f"{type(error).__name__}: {error}"
    ti.xcom_push(key=NOTE, value=f"{ti.task_id} failed: {what}")


def skip_if_stopped(step: Step) -> None:
    """Skip a step after an earlier one stopped the run, before anything heavy is imported.

    ``decide`` always runs, because it records why the run stopped.

    Raises:
        AirflowSkipException: nothing is left to do for the step.
    """
    from airflow.sdk.exceptions import AirflowSkipException

    ti = get_current_context()["ti"]
    for before in CAN_STOP:
        if step == "decide" or STEPS.index(before) >= STEPS.index(step):
            return
        if (ti.xcom_pull(task_ids=before) or {}).get("stops"):
            raise AirflowSkipException(f"not run: {before} did not pass")


def show_step(request: Request, report: StepReport) -> None:
    """Log a step's report."""
    lines = (f"{report.step}: {report.summary}", _link(request, report), *report.problems)
    lineage = "" if request.lineage == LIVE else f" --lineage {request.lineage}"
    show(lines, f"gauntlet explain {request.model} --all{lineage}")


def reported_step(request: Request, report: StepReport, ledger: Ledger) -> dict[str, Any]:
    """A step's report as the task's value, with what it changes in Airflow.

    A step that stops the run is shown as skipped, so that its run does not look like a success.

    Raises:
        AirflowSkipException: the step had nothing to do, or it stops the run.
    """
    from airflow.sdk.exceptions import AirflowSkipException

    if report.step == "decide":
        note(request.as_of, report.summary)
        if request.lineage == LIVE:
            _change_assets(request, report, ledger)
    elif report.stops:
        note(request.as_of, f"stopped by {report.step}: {report.summary}")
        get_current_context()["ti"].xcom_push(key="return_value", value=report.as_json())
    if report.skipped or report.stops:
        raise AirflowSkipException(report.summary)
    return report.as_json()


def shown_monitoring(report: MonitorReport, connections: Connections) -> dict[str, Any]:
    """Show a monitoring report, send its alerts, and return it as the task's value."""
    from gauntlet_alerts import deliver_report

    from pipelines.reporting.monitor_text import monitor_text

    again = f"gauntlet monitor {report.model} --as-of {instant_text(report.as_of)}"
    show(monitor_text(report), again)
    health, action = (text.replace("_", " ") for text in (report.health, report.action.kind))
    note(report.as_of, f"{health}, action {action}: {report.action.reason}")
    deliver_report(report, connections)
    return report.as_json()


def change_champion(model: str, ledger: Ledger) -> None:
    """Change the asset ``champion`` if the champion or that of a segment changed in this run."""
    context = get_current_context()
    run = context["dag_run"]
    start = run.start_date or run.run_after
    entries = [entry for entry in ledger.entries(model) if entry.recorded_at >= start]
    if changes := [entry for entry in entries if entry.changes_champions]:
        newest = changes[-1]
        facts = {
            "version": newest.champion_after,
            "former": newest.champion_before,
            "kind": newest.kind,
            **({"segments": newest.segments.as_json()} if newest.segments else {}),
        }
        change(model, "champion", context["outlet_events"], facts)


def _change_assets(request: Request, report: StepReport, ledger: Ledger) -> None:
    """Change the asset of decisions, and that of the champion if it changed."""
    facts = {
        "outcome": report.ids["outcome"],
        "as_of": request.as_json()["as_of"],
        "dry_run": request.dry_run,
    }
    change(request.model, "decision", get_current_context()["outlet_events"], facts)
    change_champion(request.model, ledger)


def _link(request: Request, report: StepReport) -> str:
    """The page of the version that the step registered; "" without one."""
    version = report.ids.get("version")
    return version_page(request.model, version) if version else ""
