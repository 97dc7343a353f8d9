"""The newest weeks of a reference are compared with the others, together with fresh rows."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import numpy as np
import pandas as pd

from pipelines.core.weeks import WEEK
from pipelines.drift.compared_weeks import compared_weeks
from pipelines.drift.profile import profile_like, reference_profile

MONDAY = datetime(2026, 1, 5, tzinfo=UTC)
TRAINED = 7 * 12 + 3  # days


def rows(first: int, end: int) -> pd.DataFrame:
    """Two rows a day of some days."""
    days = np.repeat(np.arange(first, end), 2)
    return pd.DataFrame(
        {
            "decision_time": MONDAY + pd.to_timedelta(days, unit="D"),
            "units": days.astype(float),
            "kind": ["a", "b"] * (end - first),
        }
    )


REFERENCE = reference_profile(rows(0, TRAINED), ["units", "kind"])


def test_the_newest_weeks_are_counted_with_fresh_rows() -> None:
    """The week in which training ended is whole with the rows that follow."""
    before, fresh = compared_weeks(REFERENCE, rows(TRAINED, 7 * 14), MONDAY + 10 * WEEK)
    assert before == profile_like(REFERENCE, rows(0, 7 * 10))
    assert fresh == profile_like(REFERENCE, rows(7 * 10, 7 * 14))


def test_enough_weeks_for_a_calibration_stay() -> None:
    before, fresh = compared_weeks(REFERENCE, rows(TRAINED, 7 * 14), MONDAY)
    assert len(before.mondays) == 9
    assert fresh.mondays[0] == MONDAY + 9 * WEEK
    short = reference_profile(rows(0, 30), ["units"])
    before, fresh = compared_weeks(short, rows(30, 35), MONDAY)
    assert (before, len(fresh.mondays)) == (short, 1)


def test_later_weeks_than_the_reference_has_are_fresh_only() -> None:
    later = rows(7 * 20, 7 * 22)
    before, fresh = compared_weeks(REFERENCE, later, MONDAY + timedelta(weeks=18))
    assert (before, fresh) == (REFERENCE, profile_like(REFERENCE, later))


def test_columns_that_fresh_rows_lack_are_left_out() -> None:
    _, fresh = compared_weeks(REFERENCE, rows(TRAINED, 90).drop(columns="kind"), MONDAY)
    assert set(fresh.columns) == {"units"}
    _, none = compared_weeks(REFERENCE, rows(TRAINED, TRAINED), MONDAY + 10 * WEEK)
    assert none == profile_like(REFERENCE, rows(7 * 10, TRAINED))
