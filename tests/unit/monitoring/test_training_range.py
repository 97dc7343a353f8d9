"""Rows inside the training range, by column and in all of them, and the alarm of too few."""

import numpy as np
import pandas as pd
import pytest

from pipelines.core.time import parse_instant
from pipelines.core.weeks import WEEK
from pipelines.drift.multivariate import ERROR, fit_space, joint_profile
from pipelines.drift.profile import reference_profile
from pipelines.drift.version_profile import LABEL, VersionProfile
from pipelines.drift.week_inside import WeekInside
from pipelines.monitoring.report import Cause, RangeWeek, TrainingRange
from pipelines.monitoring.training_range import LEVEL, range_alarm, training_range
from pipelines.stats.proportion import wilson_interval

AS_OF = parse_instant("2026-03-04T12:00:00Z")
NUMBERS = ["a", "b"]


def rows(count, seed, since=AS_OF - WEEK):
    """Two columns that move together, one with missing values, and a text."""
    rng = np.random.default_rng(seed)
    a = rng.normal(size=count)
    return pd.DataFrame(
        {
            "decision_time": since.replace(tzinfo=None)
            + pd.to_timedelta(rng.integers(0, 7 * 24 * 60, count), unit="min"),
            "a": a,
            "b": a + 0.1 * rng.normal(size=count),
            "gap": np.where(rng.random(count) < 0.1, np.nan, 1.0),
            "text": "x",
            LABEL: a,
        }
    )


def make_profile():
    trained = rows(5000, 0, AS_OF - 10 * WEEK)
    space = fit_space(trained, NUMBERS)
    return VersionProfile(
        training=reference_profile(trained, [*NUMBERS, "gap", "text", LABEL]),
        predictions=reference_profile(trained, [LABEL]),
        space=space,
        joint=joint_profile(space, trained),
    )


PROFILE = make_profile()


def newest(fresh, weeks=2):
    return training_range(PROFILE, fresh, AS_OF, weeks, "points").weeks[-1]


def test_rows_like_those_of_training_are_inside():
    week = newest(rows(1000, 1))
    assert set(week.columns) == {"a", "b", "gap", ERROR}
    assert week.rows == 1000
    assert week.interval.low < week.share < week.interval.high
    assert week.share > 0.99


def test_a_row_is_inside_when_all_its_columns_are():
    fresh = rows(1000, 2)
    fresh.loc[:299, "a"] = 50.0
    fresh.loc[200:399, "b"] = np.nan
    found = newest(fresh)
    assert abs(found.columns["a"] - 0.7) < 0.01
    assert abs(found.columns["b"] - 0.8) < 0.01, "training had no missing value"
    assert abs(found.share - 0.6) < 0.02


def test_columns_that_no_longer_move_together_are_outside_together():
    fresh = rows(1000, 3)
    fresh["b"] = -fresh["b"]
    found = newest(fresh)
    assert min(found.columns["a"], found.columns["b"]) > 0.99
    assert found.share == found.columns[ERROR] < 0.4


def test_weeks_end_as_of_the_run_and_those_without_rows_are_left_out():
    both = pd.concat([rows(50, 4), rows(70, 5, AS_OF - 3 * WEEK)], ignore_index=True)
    found = training_range(PROFILE, both, AS_OF, 8, "served")
    assert [(week.start, week.rows) for week in found.weeks] == [
        (AS_OF - 3 * WEEK, 70),
        (AS_OF - WEEK, 50),
    ]
    assert training_range(PROFILE, both, AS_OF + 20 * WEEK, 8, "served") is None
    assert training_range(PROFILE, both[["decision_time", "text"]], AS_OF, 8, "points") is None


def weeks_of(*hits, rows=1000):
    return TrainingRange(
        source="points",
        weeks=tuple(
            RangeWeek(
                start=AS_OF + number * WEEK,
                rows=rows,
                share=inside / rows,
                interval=wilson_interval(inside, rows, LEVEL),
                columns={"sold": inside / rows, "stock": 1.0},
            )
            for number, inside in enumerate(hits)
        ),
    )


@pytest.mark.parametrize("weeks", [weeks_of(500, 990), weeks_of(890), weeks_of(8, rows=10)])
def test_no_alarm_while_the_interval_reaches_the_wanted_share(weeks):
    assert range_alarm(weeks, 0.9) is None


def test_the_alarm_has_the_columns_the_trend_and_when_it_began():
    alarm = range_alarm(weeks_of(990, 800, 700), 0.9)
    assert (alarm.name, alarm.cause, alarm.size) == ("training_range.points", Cause.DRIFT, 0.7)
    assert alarm.since == AS_OF + WEEK
    assert (
        "70.0% of 1,000 points lie in the range of training, wanted at least 90%: sold 70.0%; "
        in (alarm.evidence)
    )
    assert alarm.evidence.endswith("weeks before: 99.0%, 80.0%")


def test_weeks_of_training_below_the_wanted_share_are_false_alarms():
    training = tuple(
        WeekInside(week=parse_instant("2026-01-05") + number * WEEK, rows=100, inside=inside)
        for number, inside in enumerate((100, 86, 70, 99))  # 86 is not surely below 90 %
    )
    found = weeks_of(700).model_copy(update={"training": training})
    alarm = range_alarm(found, 0.9)
    assert (alarm.false_alarm_rate, alarm.quiet_windows) == (0.25, 4)
    assert range_alarm(weeks_of(700), 0.9).false_alarm_rate is None, "an older version"
