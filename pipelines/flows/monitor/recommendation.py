"""From a report of monitoring to the reason of a retraining."""

from __future__ import annotations

from pipelines.monitoring.report import ActionKind, MonitorReport
from pipelines.release.retrain_reason import RetrainReason


def retrain_reason(report: MonitorReport) -> RetrainReason | None:
    """The reason to retrain now; ``None`` for another action, and while retraining is on hold."""
    action = report.action
    if action.kind is not ActionKind.RETRAIN or report.retraining_hold:
        return None
    return RetrainReason(
        as_of=report.as_of,
        action=action.kind.value,
        alarms=action.alarms,
        cost=action.gain,
        unit=report.performance.metric,
    )
