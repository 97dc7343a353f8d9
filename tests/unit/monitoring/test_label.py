"""A label that may have another definition is a cause of its own."""

import pytest

from pipelines.monitoring.label import LABEL, with_label_cause
from pipelines.monitoring.report import ActionKind, Alarm, Cause
from pipelines.monitoring.triage import triage


def alarm(name, cause, cost=None):
    return Alarm(
        name=name, cause=cause, subject="s", size=1, unit="", since=None, cost=cost, evidence=name
    )


WORSE = alarm("performance.worse", Cause.MODEL, 3.0)
MOVED = alarm(LABEL, Cause.DRIFT, 0.0)
FEATURE = alarm("drift.column.sold", Cause.DRIFT)


def test_a_label_that_moved_alone_is_checked_before_anything_is_trained_on_it():
    alarms = with_label_cause([WORSE, MOVED])
    assert [one.cause for one in alarms] == [Cause.MODEL, Cause.LABEL]
    action = triage("demand", alarms)
    assert (action.kind, action.gain) == (ActionKind.CHECK_LABEL, 3.0)
    assert "no feature moved" in action.reason


@pytest.mark.parametrize(
    "alarms", [[MOVED], [WORSE], [WORSE, MOVED, FEATURE], []], ids=["moved", "worse", "all", "none"]
)
def test_other_alarms_keep_their_cause(alarms):
    assert with_label_cause(alarms) == alarms
