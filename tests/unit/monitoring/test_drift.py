"""Alarms of columns that changed, and of values that training did not have."""

from datetime import timedelta

from pipelines.core.time import parse_instant
from pipelines.drift.calibration import AlarmRate, ColumnDrift
from pipelines.drift.multivariate import SegmentShift
from pipelines.monitoring.drift import drift_alarms, real_world_alarm, unseen_alarms
from pipelines.monitoring.performance import WORSE
from pipelines.monitoring.report import Cause

MONDAY = parse_instant("2026-03-02")
WEEK = timedelta(weeks=1)
RATE = AlarmRate(alarms=1, weeks=16)


def drift(*, alarm=True, rate=RATE, column="sold"):
    return ColumnDrift(
        column=column,
        method="jensen_shannon",
        week=MONDAY,
        rows=500,
        distance=0.2,
        threshold=0.05,
        practical_effect=0.05,
        alarm=alarm,
        since=MONDAY - WEEK,
        reference_weeks=16,
        false_alarms=rate,
        missing_share=0.0,
        reference_missing_share=0.0,
        unseen_share=0.0,
    )


def test_a_column_above_its_threshold_is_an_alarm_with_the_rate_of_false_ones():
    assert drift_alarms([drift(alarm=False)], None) == []
    assert drift_alarms([drift(rate=None)], None) == [], "its threshold is not calibrated"
    [alarm] = drift_alarms([drift()], None)
    assert (alarm.name, alarm.cause, alarm.since) == (
        "drift.column.sold",
        Cause.DRIFT,
        MONDAY - WEEK,
    )
    assert (alarm.cost, alarm.false_alarm_rate, alarm.quiet_windows) == (None, 1 / 16, 16)


def test_drift_of_segments_names_those_that_changed_most():
    changes = [SegmentShift("7", 0.04, 0.11), SegmentShift("2", 0.3, 0.25)]
    [alarm, other] = drift_alarms([drift(column="segment"), drift()], None, changes)
    assert alarm.evidence.endswith(
        "; segment 7 grew from 4% to 11%; segment 2 shrank from 30% to 25%"
    )
    assert "grew" not in other.evidence


def test_drift_costs_nothing_when_later_weeks_were_as_good_as_before():
    assert drift_alarms([drift()], MONDAY)[0].cost == 0.0
    assert drift_alarms([drift()], MONDAY - WEEK)[0].cost is None


def test_values_that_training_lacked_are_an_alarm_from_a_share_on():
    unseen = {"medicine": {"a": 6, "b": 9}, "region": {"x": 1}}
    [alarm] = unseen_alarms(unseen, 1000, 0.01, MONDAY)
    assert (alarm.subject, alarm.cause, alarm.size) == ("medicine", Cause.CATEGORY, 0.015)
    assert "'b', 'a'" in alarm.evidence
    assert (alarm.false_alarm_rate, alarm.quiet_windows) == (None, 0)


def test_weeks_of_training_with_a_value_of_their_own_are_false_alarms_of_new_values():
    unseen, quiet = {"medicine": {"a": 15}}, {"medicine": (0.0, 0.01, 0.002, 0.0)}
    [alarm] = unseen_alarms(unseen, 1000, 0.01, MONDAY, quiet)
    assert (alarm.false_alarm_rate, alarm.quiet_windows) == (0.25, 4)


def test_a_change_of_the_world_is_no_more_often_false_than_its_rarest_part():
    moved = drift_alarms([drift(), drift(column="label", rate=AlarmRate(alarms=3, weeks=20))], None)
    worse = moved[0].model_copy(
        update={"name": WORSE, "cause": Cause.MODEL, "false_alarm_rate": None, "cost": 1.0}
    )
    alarm = real_world_alarm([*moved, worse])
    assert (alarm.false_alarm_rate, alarm.quiet_windows) == (1 / 16, 16)
