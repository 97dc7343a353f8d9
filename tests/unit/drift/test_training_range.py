"""Weeks of training against the range of the other weeks."""

import numpy as np
import pandas as pd

from pipelines.core.time import parse_instant
from pipelines.drift.multivariate import fit_space, joint_profile
from pipelines.drift.profile import MOST_WEEKS
from pipelines.drift.training_range import weeks_inside

MONDAY = parse_instant("2026-01-05")


def frame(**columns):
    """One row a day."""
    many = len(next(iter(columns.values())))
    days = MONDAY.replace(tzinfo=None) + pd.to_timedelta(np.arange(many), unit="D")
    return pd.DataFrame({"decision_time": days, **columns})


def insides(rows, *columns):
    return [(one.rows, one.inside) for one in weeks_inside(rows, columns, None, None)]


def test_a_value_that_no_other_week_reaches_is_outside_in_its_own_week():
    values = np.tile(np.arange(7.0), 3)
    assert insides(frame(a=values), "a") == [(7, 7)] * 3
    values[10] = 9.0
    found = weeks_inside(frame(a=values), ["a"], None, None)
    assert [one.inside for one in found] == [7, 6, 7]
    assert found[0].week == MONDAY


def test_a_row_is_inside_if_all_its_columns_are():
    one, two = np.tile(np.arange(7.0), 3), np.tile(np.arange(7.0), 3)
    one[8], two[9] = -1.0, -1.0
    assert insides(frame(a=one, b=two), "a", "b") == [(7, 7), (7, 5), (7, 7)]


def test_a_missing_value_is_inside_if_another_week_has_one():
    values = np.tile(np.arange(7.0), 3)
    values[3] = np.nan
    assert insides(frame(a=values), "a") == [(7, 6), (7, 7), (7, 7)]
    values[10] = np.nan
    assert insides(frame(a=values), "a") == [(7, 7)] * 3


def test_rows_far_from_the_plane_of_all_weeks_are_outside():
    """Both values of the odd row are usual, but not together."""
    a = np.tile(np.linspace(-1, 1, 490), 7)
    rows = frame(a=a, b=a)
    rows.loc[3, ["a", "b"]] = [-0.9, 0.9]
    space = fit_space(rows, ["a", "b"])
    found = weeks_inside(rows, ["a", "b"], space, joint_profile(space, rows))
    assert insides(rows, "a", "b")[-1] == (7, 7)
    assert {(one.rows, one.inside) for one in found} == {(7, 7)}, "the odd row is in an older week"
    newest = frame(a=a[::-1], b=a[::-1])
    newest.loc[len(a) - 2, ["a", "b"]] = [-0.9, 0.9]
    space = fit_space(newest, ["a", "b"])
    found = weeks_inside(newest, ["a", "b"], space, joint_profile(space, newest))
    assert found[-1].inside == 6


def test_the_newest_weeks_are_kept_and_one_week_has_no_other():
    found = weeks_inside(frame(a=np.tile([1.0, 2.0], 7 * 30)), ["a"], None, None)
    assert len(found) == MOST_WEEKS
    assert found[-1].week == MONDAY + pd.Timedelta(weeks=59)
    assert insides(frame(a=np.arange(7.0)), "a") == [(7, 0)]
