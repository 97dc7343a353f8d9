"""From alarms to one action."""

import pytest

from pipelines.monitoring.report import ActionKind, Alarm, Cause, Performance
from pipelines.monitoring.triage import health, ranked, triage

PERFORMANCE = Performance(metric="absolute_error", higher_is_better=False)


def alarm(cause, cost=None, name="x"):
    return Alarm(
        name=name, cause=cause, subject="s", size=1, unit="", since=None, cost=cost, evidence="why"
    )


@pytest.mark.parametrize(
    ("causes", "kind"),
    [
        ([Cause.MODEL, Cause.FEED], ActionKind.FIX_FEED),
        ([Cause.MODEL, Cause.LATE], ActionKind.WAIT_FOR_LABELS),
        ([Cause.MODEL, Cause.EARLIER_VERSION], ActionKind.ROLL_BACK),
        ([Cause.MODEL, Cause.CATEGORY], ActionKind.ADD_CATEGORY),
        ([Cause.MODEL, Cause.DRIFT], ActionKind.RETRAIN),
        ([Cause.DRIFT], ActionKind.WAIT_FOR_LABELS),
        ([Cause.UNUSED], ActionKind.NONE),
        ([], ActionKind.NONE),
    ],
)
def test_broken_data_comes_before_everything_that_is_measured_on_it(causes, kind):
    assert triage("demand", [alarm(cause) for cause in causes]).kind is kind


def test_an_action_has_the_gain_of_the_largest_alarm_that_it_answers():
    alarms = ranked([alarm(Cause.MODEL, 0.5, "a"), alarm(Cause.MODEL, 2.0, "b")])
    action = triage("demand", alarms)
    assert (action.gain, action.alarms) == (2.0, ("b", "a"))
    assert action.next_step == "`gauntlet retrain demand`"


def test_the_command_waives_the_checks_that_would_stop_it():
    grown = "contract.envelope.sales.table.volume"
    action = triage("demand", [alarm(Cause.MODEL, 1.0), alarm(Cause.DRIFT, None, grown)])
    assert action.next_step == f"`gauntlet retrain demand --waive {grown} --reason WHY`"


def test_drift_that_cost_nothing_needs_no_action():
    action = triage("demand", [alarm(Cause.DRIFT, 0.0)])
    assert (action.kind, action.reason) == (ActionKind.NONE, "what changed costs nothing")


def test_unknown_costs_of_broken_data_come_first_and_those_of_drift_last():
    alarms = [
        alarm(Cause.DRIFT, None, "drift"),
        alarm(Cause.UNUSED, 0.0, "unused"),
        alarm(Cause.MODEL, 1.0, "model"),
        alarm(Cause.FEED, None, "feed"),
    ]
    assert [one.name for one in ranked(alarms)] == ["feed", "model", "unused", "drift"]


@pytest.mark.parametrize(
    ("causes", "expected"),
    [
        ([Cause.MODEL, Cause.LATE], "broken_data"),
        ([Cause.MODEL], "degraded"),
        ([Cause.UNUSED], "unknown"),
    ],
)
def test_health_is_that_of_the_data_first(causes, expected):
    assert health([alarm(cause) for cause in causes], PERFORMANCE) == expected
