"""Where the windows lie, as dates one checks with a finger on a calendar."""

from __future__ import annotations

from datetime import timedelta

import pandas as pd
import pytest

from pipelines.core.errors import TimeError
from pipelines.core.time import Window, parse_instant
from pipelines.training.split import (
    SplitPlan,
    comparison_window,
    inside,
    split_plan,
    twin_lag,
)


def day(text: str):
    return parse_instant(text)


def window(start: str, end: str) -> Window:
    return Window(day(start), day(end))


@pytest.fixture
def short(regression):
    """Horizon 2 days + delay 1 day = 3 days; 5 days of training, 4 recent days."""
    return regression(split={"train": "5d", "recent": "4d", "refit": True})


@pytest.mark.parametrize("refit", [True, False])
def test_windows_of_a_short_month(regression, refit):
    """As of the 20th: labels of the 17th are complete at the 20th, so the window ends there."""
    short = regression(split={"train": "5d", "recent": "4d", "refit": refit})
    plan = split_plan(short, day("2026-01-20"))
    assert plan.maturity == timedelta(days=3)
    assert plan.recent == window("2026-01-13", "2026-01-17")
    assert plan.train == window("2026-01-05", "2026-01-10")
    assert plan.trained_until == plan.recent.start
    assert plan.refit == (window("2026-01-12", "2026-01-17") if refit else None)
    assert plan.refit_until == (day("2026-01-20") if refit else plan.trained_until)


def test_the_twin_is_the_refit_of_a_whole_number_of_weeks_ago(regression):
    """Recent window and maturity last 9 days, so the twin is the refit of two weeks before."""
    spec = regression(split={"train": "5d", "recent": "6d", "refit": True})
    plan, earlier = split_plan(spec, day("2026-01-20")), split_plan(spec, day("2026-01-06"))
    assert twin_lag(spec) == timedelta(days=14)
    assert plan.train == earlier.refit
    assert plan.trained_until == earlier.as_of


def test_without_a_refit_the_training_ends_as_late_as_the_recent_window_allows(regression):
    spec = regression(split={"train": "5d", "recent": "6d", "refit": False})
    plan = split_plan(spec, day("2026-01-20"))
    assert plan.trained_until == plan.recent.start == day("2026-01-11")


def test_a_plan_that_was_stored_without_a_refit_has_none(short):
    stored = split_plan(short, day("2026-01-20")).as_json()
    del stored["refit"]
    plan = SplitPlan.from_stored(stored)
    assert plan.refit is None
    assert plan.refit_until == plan.trained_until


def test_a_daily_grid_has_one_point_for_each_day_of_the_windows(short):
    plan = split_plan(short, day("2026-01-20"))
    points = pd.DataFrame({"decision_time": pd.date_range("2026-01-01", "2026-01-20")})
    days = points["decision_time"].dt.day
    assert days[inside(points, plan.train)].tolist() == [5, 6, 7, 8, 9]
    assert days[inside(points, plan.recent)].tolist() == [13, 14, 15, 16]


def test_the_last_instant_in_the_window_is_matured_and_the_first_after_it_waits(short):
    plan = split_plan(short, day("2026-01-20"))
    last = plan.recent.end - timedelta(microseconds=1)
    assert last in plan.recent
    assert last + plan.maturity <= plan.as_of
    assert plan.recent.end not in plan.recent


def test_windows_of_consecutive_runs_join_without_overlap(short):
    one = split_plan(short, day("2026-01-20"))
    four_days_later = split_plan(short, day("2026-01-24"))
    assert one.recent.end == four_days_later.recent.start


def test_zoned_and_plain_times_select_the_same_rows(short):
    plan = split_plan(short, day("2026-01-20"))
    plain = pd.DataFrame({"decision_time": pd.date_range("2026-01-12T22:00", periods=6, freq="h")})
    zoned = plain.assign(
        decision_time=plain["decision_time"].dt.tz_localize("UTC").dt.tz_convert("Asia/Tokyo")
    )
    assert inside(plain, plan.recent).tolist() == [False, False, True, True, True, True]
    assert inside(zoned, plan.recent).tolist() == inside(plain, plan.recent).tolist()


def test_a_champion_trained_earlier_leaves_the_whole_window(short):
    champion = split_plan(short, day("2026-01-13"))
    plan = split_plan(short, day("2026-01-20"))
    assert comparison_window(plan, champion) == plan.recent


def test_a_champion_trained_later_takes_from_the_window_what_its_labels_reach(short):
    """As of the 22nd the champion's training ends on the 12th; its labels reach to the 15th."""
    champion = split_plan(short, day("2026-01-22"))
    assert champion.trained_until == day("2026-01-15")
    plan = split_plan(short, day("2026-01-20"))
    assert comparison_window(plan, champion) == window("2026-01-15", "2026-01-17")


def test_a_champion_that_knows_the_whole_window_leaves_none_of_it(short):
    plan = split_plan(short, day("2026-01-20"))
    champion = split_plan(short, day("2026-03-01"))
    assert comparison_window(plan, champion).empty


def test_a_champion_with_slower_labels_counts_with_its_own_maturity(short):
    plan = split_plan(short, day("2026-01-20"))
    champion = SplitPlan(
        as_of=plan.as_of, maturity=timedelta(days=5), train=plan.train, recent=plan.recent
    )
    assert comparison_window(plan, champion) == window("2026-01-15", "2026-01-17")


def test_a_plan_survives_its_json(short):
    plan = split_plan(short, day("2026-01-20"))
    assert SplitPlan.model_validate_json(plan.model_dump_json()) == plan


def test_an_as_of_without_a_zone_is_refused(short):
    with pytest.raises(TimeError):
        split_plan(short, pd.Timestamp("2026-01-20").to_pydatetime())
