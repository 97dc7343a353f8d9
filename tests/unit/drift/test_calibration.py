"""A column is judged by the weeks of its own reference."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import numpy as np
import pandas as pd
import pytest

from pipelines.drift.calibration import AlarmRate, ColumnDrift, column_drift, unseen_by_week
from pipelines.drift.profile import Profile, profile_like, reference_profile

MONDAY = datetime(2025, 1, 6, tzinfo=UTC)
DAILY = 40


def rows(weeks: int, first: int = 0, seed: int = 1, shift: float = 0) -> pd.DataFrame:
    """Independent rows of some weeks, counted from the first Monday."""
    rng = np.random.default_rng([seed, first])
    count = weeks * 7 * DAILY
    hours = first * 7 * 24 + np.repeat(np.arange(weeks * 7), DAILY) * 24
    return pd.DataFrame(
        {
            "decision_time": pd.Timestamp(MONDAY) + pd.to_timedelta(hours, unit="h"),
            "number": rng.normal(shift, 1, count),
            "kind": rng.choice(list("aab"), count),
        }
    )


@pytest.fixture(scope="module")
def reference() -> Profile:
    return reference_profile(rows(20), ["number", "kind"])


def drift(reference: Profile, fresh: pd.DataFrame, **settings) -> dict[str, ColumnDrift]:
    found = column_drift(reference, profile_like(reference, fresh), **settings)
    return {one.column: one for one in found}


def test_weeks_without_drift_are_below_their_thresholds(reference: Profile) -> None:
    found = drift(reference, rows(4, first=20))
    assert set(found) == {"number", "kind"}
    for one in found.values():
        assert one.week == MONDAY + timedelta(weeks=23)
        assert (one.alarm, one.since) == (False, None)
        assert one.ratio < 1
        assert one.false_alarms == AlarmRate(alarms=0, weeks=20)


def test_two_shifted_weeks_are_an_alarm_and_one_is_not_yet(reference: Profile) -> None:
    shifted = rows(2, first=22, shift=0.5)
    one_week = drift(reference, pd.concat([rows(2, first=20), shifted[: 7 * DAILY]]))["number"]
    assert (one_week.alarm, one_week.since) == (False, MONDAY + timedelta(weeks=22))
    both = drift(reference, pd.concat([rows(2, first=20), shifted]))
    assert next(iter(both)) == "number", "the column that drifted most comes first"
    assert (both["number"].alarm, both["number"].since) == (True, MONDAY + timedelta(weeks=22))
    assert not both["kind"].alarm


def test_a_week_that_is_not_whole_is_not_judged(reference: Profile) -> None:
    fresh = pd.concat([rows(2, first=20), rows(1, first=22, shift=3)[: 6 * DAILY]])
    assert drift(reference, fresh)["number"].week == MONDAY + timedelta(weeks=21)
    assert drift(reference, fresh[-6 * DAILY :]) == {}


def test_a_season_in_the_reference_raises_the_threshold() -> None:
    calm = drift(reference_profile(rows(20), ["number"]), rows(1, first=20))["number"]
    weeks = [rows(1, first=week, shift=0.6 * np.sin(week)) for week in range(20)]
    seasonal = reference_profile(pd.concat(weeks), ["number"])
    assert drift(seasonal, rows(1, first=20))["number"].threshold > 1.5 * calm.threshold


def test_a_small_week_is_compared_with_weeks_as_small(reference: Profile) -> None:
    large = drift(reference, rows(1, first=20))["number"]
    small = drift(reference, rows(1, first=20)[::6])["number"]
    assert small.rows == 47
    assert small.threshold > 1.5 * large.threshold


def test_more_columns_raise_each_threshold_so_that_a_year_has_the_same_false_alarms() -> None:
    names = [f"more_{n}" for n in range(30)]
    frame, fresh = (
        part.assign(**dict.fromkeys(names, part["number"])) for part in (rows(20), rows(1, 20))
    )
    many = reference_profile(frame, ["number", *names])
    alone = drift(many, fresh[["decision_time", "number"]], effect=0.0)["number"]
    assert drift(many, fresh, effect=0.0)["number"].threshold > alone.threshold


def test_a_short_reference_has_no_rate_of_false_alarms() -> None:
    short = reference_profile(rows(4), ["number"])
    found = drift(short, pd.concat([rows(2, first=4), rows(2, first=6, shift=0.5)]))["number"]
    assert (found.reference_weeks, found.false_alarms, found.alarm) == (4, None, True)


def test_alarms_that_the_reference_would_have_raised_are_counted() -> None:
    weeks = [rows(1, first=week, shift=0.6 * (week in {8, 9})) for week in range(40)]
    found = drift(reference_profile(pd.concat(weeks), ["number"]), rows(1, first=40))["number"]
    assert found.false_alarms == AlarmRate(alarms=1, weeks=40)


def test_texts_that_only_one_week_has_are_unseen_by_the_others() -> None:
    weeks = [rows(1, first=week) for week in range(5)]
    weeks[3].loc[:6, "kind"] = "c"
    weeks[4].loc[:20, "kind"] = None
    found = reference_profile(pd.concat([*weeks, rows(1, first=5)[:20]]), ["kind"])
    assert unseen_by_week(found.columns["kind"]) == (0.0, 0.0, 0.0, 7 / 280, 0.0), "20 are too few"


def test_missing_and_unseen_values_are_reported(reference: Profile) -> None:
    fresh = rows(1, first=20)
    fresh.loc[:69, "kind"] = None
    fresh.loc[70:97, "kind"] = "c"
    kind = drift(reference, fresh)["kind"]
    assert (kind.missing_share, kind.reference_missing_share) == (0.25, 0)
    assert kind.unseen_share == 0.35, "missing values are new in this column as well"


def test_an_effect_belongs_to_the_method_that_was_chosen(reference: Profile) -> None:
    found = drift(reference, rows(1, first=20), method="wasserstein", effect=2.0)
    assert (found["number"].method, found["number"].practical_effect) == ("wasserstein", 2.0)
    assert (found["kind"].method, found["kind"].practical_effect) == ("jensen_shannon", 0.05)


def test_a_reference_of_a_year_is_compared_by_season() -> None:
    """A season of two hides a rise of 1.5 from the other weeks, and not from last year's."""

    def seasonal(weeks: int, first: int, shift: float = 0) -> pd.DataFrame:
        found = rows(weeks, first=first, shift=shift)
        week = (found["decision_time"] - pd.Timestamp(MONDAY)).dt.days // 7
        return found.assign(number=found["number"] + 2 * np.sin(2 * np.pi * week / 52))

    year = reference_profile(seasonal(52, 0), ["number"])
    shorter = reference_profile(seasonal(46, 0), ["number"])
    quiet, moved = seasonal(4, 88), seasonal(4, 88, shift=1.5)
    assert drift(year, moved)["number"].since == MONDAY + timedelta(weeks=88)
    assert not drift(year, quiet)["number"].alarm
    assert not drift(shorter, moved)["number"].alarm
