"""The demonstration ends on the newest Monday, on every day of a year, with the same decisions."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest
import yaml

from pipelines.core.time import parse_instant
from pipelines.core.weeks import WEEK
from pipelines.simulation.demo.calendar import DemoCalendar, demo_calendar
from pipelines.simulation.demo.retrain_demo import RETRAIN_DEMO
from pipelines.simulation.demo.scenarios import BETTER_FORECAST, MEDIAN_FORECAST
from tests.support.pharmacy import ROOT

DEMAND = yaml.safe_load((ROOT / "models" / "demand.yaml").read_text("utf-8"))
SAME_EVERY_WEEK = {"hour", "weekday"}  # of the parts of the calendar


def test_every_story_ends_on_the_newest_monday_of_any_day(tmp_path: Path) -> None:
    for day in range(0, 400, 17):
        now = parse_instant("2026-12-30T23:30:00Z") + timedelta(days=day)
        calendar = demo_calendar(tmp_path / str(day), now)
        assert now - WEEK < calendar.monday <= now
        for story in (RETRAIN_DEMO, BETTER_FORECAST, MEDIAN_FORECAST):
            moved = story.moved(calendar.weeks_from(story.ends))
            assert moved.ends == calendar.monday
            assert (moved.begins - story.begins) % WEEK == timedelta()
            assert moved.ends - moved.begins == story.ends - story.begins


def test_a_home_keeps_the_calendar_of_its_first_run(tmp_path: Path) -> None:
    first = demo_calendar(tmp_path, parse_instant("2026-11-30T00:00:00Z"))
    assert first == DemoCalendar(monday=parse_instant("2026-11-30"))
    assert demo_calendar(tmp_path, parse_instant("2027-02-01")) == first


def test_a_moved_story_keeps_its_intervals() -> None:
    moved = RETRAIN_DEMO.moved(57)
    for run, later in zip(RETRAIN_DEMO.runs, moved.runs, strict=True):
        assert later.as_of - run.as_of == 57 * WEEK
        if run.broken and later.broken:
            assert later.broken.start - run.broken.start == 57 * WEEK
            assert later.broken.end - run.broken.end == 57 * WEEK
    assert moved.moved(-57) == RETRAIN_DEMO
    scenario = MEDIAN_FORECAST.moved(57)
    recipes = (scenario.champion, scenario.challenger, scenario.waiting)
    own = (MEDIAN_FORECAST.champion, MEDIAN_FORECAST.challenger, MEDIAN_FORECAST.waiting)
    for recipe, later_recipe in zip(own, recipes, strict=True):
        assert recipe
        assert later_recipe
        assert later_recipe.trained_at - recipe.trained_at == 57 * WEEK


@pytest.mark.parametrize(
    "declared",
    [
        DEMAND,
        *(
            story.declaration(DEMAND, recipe)
            for story in (BETTER_FORECAST, MEDIAN_FORECAST)
            for recipe in (story.champion, story.challenger, story.waiting)
            if recipe is not None
        ),
    ],
    ids=lambda declared: declared["name"],
)
def test_no_feature_of_the_demonstration_depends_on_the_time_of_the_year(
    declared: dict[str, object],
) -> None:
    """The world keeps its own seasons when it is moved: a date would give other fits each week."""
    features = declared["features"]
    assert isinstance(features, list)
    parts = {one["part"] for one in features if one["kind"] == "calendar"}
    assert parts <= SAME_EVERY_WEEK
