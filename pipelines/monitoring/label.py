"""A label that may have another definition: it moved, the loss rose, and no input moved."""

from __future__ import annotations

from collections.abc import Sequence

from pipelines.monitoring.drift import COLUMN
from pipelines.monitoring.performance import WORSE
from pipelines.monitoring.report import Alarm, Cause

LABEL = f"{COLUMN}.label"


def with_label_cause(alarms: Sequence[Alarm]) -> list[Alarm]:
    """The alarms, with the drift of the label as a cause of its own where nothing else moved.

    If the label drifted, performance is worse and no other column drifted, the label may be
    recorded by another definition. Then its alarm has the cause ``label`` and costs what the loss
    of performance costs.

    Arguments:
        alarms: of one report.
    """
    moved = [alarm for alarm in alarms if alarm.name.startswith(f"{COLUMN}.")]
    worse = next((alarm for alarm in alarms if alarm.name == WORSE), None)
    if worse is None or [alarm.name for alarm in moved] != [LABEL]:
        return list(alarms)
    [label] = moved
    changed = {
        "cause": Cause.LABEL,
        "cost": worse.cost,
        "evidence": f"{label.evidence}; no feature moved, and {worse.evidence}",
    }
    return [alarm.model_copy(update=changed) if alarm is label else alarm for alarm in alarms]
