"""The metric by week, its bound, and the alarm of a week that is worse."""

from datetime import date, timedelta

import pytest

from pipelines.core.findings import Interval
from pipelines.monitoring.performance import performance, performance_alarm
from pipelines.monitoring.report import WeekPerformance
from pipelines.spec.model import ModelSpec
from tests.support.sales_home import declaration

MONDAY = date(2026, 3, 2)
QUIET = (4.0, 4.2, 3.9, 4.1, 4.0, 3.8)


def spec(**changes):
    return ModelSpec.model_validate(declaration() | changes)


def recorded(losses=QUIET):
    return {
        MONDAY - timedelta(weeks=len(losses) - place): loss for place, loss in enumerate(losses)
    }


def week(place, value, *, complete=True, reach=0.5, held_out=False):
    return WeekPerformance(
        start=MONDAY + timedelta(weeks=place),
        held_out=held_out,
        points=100,
        labelled=100 if complete else 40,
        complete=complete,
        value=value,
        interval=Interval(low=value - reach, high=value + reach, level=0.95),
    )


def test_a_week_beyond_the_bound_is_an_alarm_since_the_first_of_its_run():
    found = performance(spec(), [week(0, 4.1), week(1, 5.4), week(2, 6.0)], recorded())
    assert found.reference == pytest.approx(4.0)
    alarm = performance_alarm(found)
    assert alarm.since.date() == MONDAY + timedelta(weeks=1)
    assert alarm.cost == pytest.approx((1.4 + 2.0) / 2)


def test_a_difference_below_the_minimum_effect_is_no_alarm():
    steady = recorded((4.0, 4.01, 3.99, 4.0, 4.01, 3.99))
    assert performance_alarm(performance(spec(), [week(0, 4.4)], steady)) is None
    assert performance_alarm(performance(spec(), [week(0, 4.6)], steady)) is not None


def test_a_week_whose_labels_still_arrive_counts_by_the_better_end_of_its_interval():
    sure, unsure = (
        performance(spec(), [week(0, 6.0, complete=False, reach=reach)], recorded())
        for reach in (0.3, 2.5)
    )
    assert performance_alarm(sure) is not None
    assert performance_alarm(unsure) is None


def test_a_week_that_proves_nothing_yet_does_not_end_an_alarm():
    weeks = [week(0, 6.0), week(1, 6.0, complete=False, reach=2.5)]
    alarm = performance_alarm(performance(spec(), weeks, recorded()))
    assert alarm.since.date() == MONDAY


def test_for_a_metric_where_higher_is_better_the_bound_is_below():
    metric = {"name": "auc", "minimum_effect": 0.01}
    classifier = spec(metric=metric, estimator={"path": "sklearn.linear_model.LogisticRegression"})
    losses = recorded((-0.81, -0.8, -0.79, -0.8, -0.8))
    found = performance(classifier, [week(0, 0.8), week(1, 0.7, reach=0.01)], losses)
    assert found.reference == pytest.approx(0.8)
    assert found.bound < 0.79
    alarm = performance_alarm(found)
    assert alarm.since.date() == MONDAY + timedelta(weeks=1)
    assert alarm.cost == pytest.approx(0.1)


def test_weeks_of_the_twin_are_the_reference_where_there_is_no_record():
    weeks = [week(place - 4, 4.0 + place / 10, held_out=True) for place in range(3)]
    found = performance(spec(), [*weeks, week(0, 9.0)], {})
    assert found.reference_weeks == 3
    assert found.reference == pytest.approx(4.1)
    assert performance_alarm(found) is not None


def test_a_week_after_the_recent_window_is_shown_and_is_no_reference():
    weeks = [week(place - 4, 4.0 + place / 10, held_out=True) for place in range(3)]
    after = week(-1, 9.0, held_out=True).model_copy(update={"after_recent": True})
    found = performance(spec(), [*weeks, after], {})
    assert found.reference == performance(spec(), weeks, {}).reference
    assert found.weeks[-1] == after
    assert performance_alarm(found) is None


def test_one_earlier_week_gives_no_bound():
    found = performance(spec(), [week(0, 9.0)], recorded((4.0,)))
    assert found.bound is None
    assert performance_alarm(found) is None
