"""A profile counts rows by week and bin, and keeps a year."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from functools import reduce

import numpy as np
import pandas as pd
import pytest

from pipelines.core.errors import DataError
from pipelines.drift.bins import make_bins
from pipelines.drift.profile import (
    Profile,
    empty_profile,
    merge_profiles,
    profile_like,
    reference_profile,
    split_profile,
    unseen_texts,
)

MONDAY = datetime(2026, 1, 5, tzinfo=UTC)
COLUMNS = ["units", "kind"]


def sales(days: int, start: datetime = MONDAY) -> pd.DataFrame:
    """Two rows a day: a number that is 1, 2, 3, ... and a text."""
    times = [start + timedelta(days=day, hours=hour) for day in range(days) for hour in (0, 23)]
    return pd.DataFrame(
        {
            "decision_time": times,
            "units": np.arange(1.0, 1 + len(times)),
            "kind": ["a", "b"] * days,
        }
    )


def profile(rows: pd.DataFrame) -> Profile:
    return reference_profile(rows, COLUMNS)


def test_weeks_begin_on_monday_at_midnight_utc() -> None:
    found = profile(sales(9, MONDAY - timedelta(days=1)))
    assert found.mondays == tuple(MONDAY + timedelta(weeks=week) for week in (-1, 0, 1))
    assert found.weekdays == ((0,) * 6 + (2,), (2,) * 7, (2,) + (0,) * 6)
    assert found.columns["kind"].weeks == ((1, 1, 0, 0), (7, 7, 0, 0), (1, 1, 0, 0))


def test_naive_times_are_utc_and_zoned_ones_are_converted() -> None:
    rows = sales(9)
    naive = rows.assign(decision_time=rows["decision_time"].dt.tz_localize(None))
    zoned = rows.assign(decision_time=rows["decision_time"].dt.tz_convert("Asia/Tokyo"))
    assert profile(naive) == profile(zoned) == profile(rows)


def test_weeks_before_the_newest_53_are_counted_together() -> None:
    found = profile(sales(7 * 60))
    assert len(found.mondays) == 53
    assert found.columns["kind"].earlier == (49, 49, 0, 0)
    assert found.columns["kind"].total.sum() == 2 * 7 * 60


def test_a_week_is_whole_when_it_has_every_usual_weekday() -> None:
    rows = sales(7 * 4 + 3)
    weekday = rows["decision_time"].dt.day_of_week
    sundays = weekday == 6
    open_sunday = rows["decision_time"].dt.day == 11  # the one Sunday on which the shop is open
    holiday = rows["decision_time"].dt.day == 12  # a Monday
    found = profile(rows[(~sundays | open_sunday) & ~holiday])
    assert found.usual_weekdays.tolist() == [True] * 6 + [False]
    assert found.whole_weeks(found.usual_weekdays).tolist() == [True, False, True, True, False]


def test_fresh_rows_are_counted_in_the_bins_of_the_reference() -> None:
    reference = profile(sales(21))
    rows = sales(1).assign(units=[100.0, None], kind=["new", "b"])
    fresh = profile_like(reference, rows)
    assert np.flatnonzero(fresh.columns["units"].total).tolist() == [
        reference.columns["units"].bins.size - 2,
        reference.columns["units"].bins.size - 1,
    ]
    assert fresh.columns["kind"].total.tolist() == [0, 1, 1, 0]
    assert unseen_texts(reference, rows) == {"kind": {"new": 1}}
    assert list(profile_like(reference, rows[["decision_time", "kind"]]).columns) == ["kind"]


def test_a_profile_of_no_rows_is_empty_and_changes_nothing() -> None:
    reference = profile(sales(21))
    empty = profile_like(reference, sales(0).astype(sales(1).dtypes))
    assert empty.mondays == ()
    assert empty.columns["kind"].total.tolist() == [0, 0, 0, 0]
    assert merge_profiles(empty, reference) == merge_profiles(reference, empty) == reference
    assert merge_profiles(empty, empty) == empty


def test_a_reference_counted_in_parts_is_the_reference() -> None:
    rows = sales(21)
    empty = empty_profile({name: make_bins(rows[name], categorical=False) for name in COLUMNS})
    parts = (profile_like(empty, rows[start : start + 9]) for start in range(0, len(rows), 9))
    assert reduce(merge_profiles, parts, empty) == profile(rows)


def test_profiles_with_other_bins_are_not_merged() -> None:
    with pytest.raises(DataError, match="different bins") as caught:
        merge_profiles(profile(sales(7)), profile(sales(21)))
    assert caught.value.got == "other bins of units"


@pytest.mark.parametrize("week", [-60, -3, 0, 1])
def test_both_parts_of_a_profile_make_the_whole(week: int) -> None:
    whole = profile(sales(7 * 60, MONDAY - timedelta(weeks=59)))
    before, later = split_profile(whole, MONDAY + timedelta(weeks=week))
    assert merge_profiles(before, later) == whole
    assert before.mondays + later.mondays == whole.mondays
