"""Alarms from failed suites: grouped by column and cause, with the start of the trouble."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from pipelines.core.findings import Measurement, Verdict, make_finding
from pipelines.monitoring.contract import CheckedWindow, contract_alarms
from pipelines.monitoring.report import Cause
from pipelines.spec.load import load_model

SPEC = load_model(Path(__file__).parents[3] / "models" / "demand.yaml")
NOW = datetime(2026, 3, 2, tzinfo=UTC)
RANGE = "contract.envelope.dispensing.quantity.range"


def windows(*failures):
    """One window a week, newest first, in which these findings fail."""
    return [
        CheckedWindow(NOW - timedelta(weeks=place + 1), [failing(name) for name in names])
        for place, names in enumerate(failures)
    ]


def failing(name, verdict=Verdict.FAIL):
    return make_finding(name, verdict, f"{name} failed", Measurement(value=0.7, threshold=0.9))


def test_an_alarm_lasts_since_the_first_window_of_an_unbroken_run():
    [alarm] = contract_alarms(SPEC, windows([RANGE], [RANGE], [], [RANGE]))
    assert alarm.since == NOW - timedelta(weeks=2)
    assert (alarm.cause, alarm.subject) == (Cause.FEED, "dispensing.quantity")


def test_the_rate_of_false_alarms_is_the_share_of_quiet_windows_in_which_a_check_fails():
    other = RANGE.replace("quantity", "price")
    quiet = [frozenset(names) for names in ((RANGE,), (), (other,), ())]
    [alarm] = contract_alarms(SPEC, windows([RANGE]), quiet)
    assert (alarm.false_alarm_rate, alarm.quiet_windows) == (0.25, 4)
    [alarm] = contract_alarms(SPEC, windows([RANGE]), quiet[:2])
    assert (alarm.false_alarm_rate, alarm.quiet_windows) == (None, 2), "too few to tell"


def test_copies_that_contradict_each_other_have_no_measured_rate():
    [alarm] = contract_alarms(SPEC, windows(["contract.identity.dispensing"]), [frozenset()] * 9)
    assert (alarm.false_alarm_rate, alarm.quiet_windows) == (None, 0)


def test_checks_of_one_column_are_one_alarm():
    suite, mean = "contract.suite.dispensing.quantity.range", RANGE.replace("range", "mean")
    [alarm] = contract_alarms(SPEC, windows([suite, mean, RANGE]))
    assert alarm.name == RANGE, "its sentence compares with training"
    assert alarm.further == (suite, mean)


@pytest.mark.parametrize(
    ("name", "cause"),
    [
        ("contract.envelope.dispensing.price.range", Cause.UNUSED),
        ("contract.envelope.dispensing.medicine.categories", Cause.CATEGORY),
        ("contract.envelope.dispensing.region.categories", Cause.UNUSED),
        ("contract.envelope.dispensing.table.lag", Cause.LATE),
        ("contract.envelope.dispensing.table.volume", Cause.FEED),
        ("contract.identity.dispensing", Cause.FEED),
    ],
)
def test_the_cause_follows_from_the_check_and_from_what_the_model_reads(name, cause):
    [alarm] = contract_alarms(SPEC, windows([name]))
    assert alarm.cause is cause


@pytest.mark.parametrize(
    ("stream", "rows", "cause"),
    [
        ("dispensing", 1200.0, Cause.DRIFT),  # its id shows that no event counts twice
        ("stock", 1200.0, Cause.FEED),
        ("dispensing", 100.0, Cause.FEED),
    ],
)
def test_more_events_are_drift_where_none_can_count_twice(stream, rows, cause):
    name, bound = f"contract.envelope.{stream}.table.volume", 1000.0 if rows > 500 else 500.0
    measured = Measurement(value=rows, threshold=bound)
    found = make_finding(name, Verdict.FAIL, "more or fewer rows", measured)
    [alarm] = contract_alarms(SPEC, [CheckedWindow(NOW, [found])])
    assert alarm.cause is cause


def test_rows_that_are_missing_because_others_are_late_are_late():
    volume, lag = (f"contract.envelope.dispensing.table.{check}" for check in ("volume", "lag"))
    [alarm] = contract_alarms(SPEC, windows([volume, lag]))
    assert (alarm.name, alarm.cause, alarm.further) == (lag, Cause.LATE, (volume,))


def test_a_stream_without_rows_is_one_alarm():
    names = (RANGE, "contract.envelope.dispensing.price.range")
    absent = [failing(name, Verdict.NO_DATA) for name in names]
    [alarm] = contract_alarms(SPEC, [CheckedWindow(NOW, absent)])
    assert (alarm.cause, alarm.subject) == (Cause.FEED, "dispensing")
