"""The cost of each age is that of candidates of this age, whatever the others lost."""

from datetime import UTC, datetime, timedelta

import pytest

from pipelines.gates.refresh.age_costs import costs_by_age
from pipelines.gates.refresh.record import RecordedWeek, RefreshRecord

MONDAY = datetime(2026, 1, 5, tzinfo=UTC)
WEEK = timedelta(days=7)


def record(*costs: dict[int, float]) -> RefreshRecord:
    """Weeks whose candidates lost 1 plus the cost of their age."""
    weeks = [
        RecordedWeek(
            start=(MONDAY + number * WEEK).date(),
            points=10,
            rows_digest="r",
            losses={MONDAY + (number - age) * WEEK: 1.0 + cost for age, cost in by_age.items()},
        )
        for number, by_age in enumerate(costs)
    ]
    return RefreshRecord(recipe="r", weeks=tuple(weeks))


def test_each_age_is_the_mean_over_its_weeks():
    found = costs_by_age(record({0: 0.0, 1: 0.5, 4: 3.0}, {0: 0.0, 1: 0.7, 4: 1.0}), 26)
    assert [each.age for each in found] == [1, 4]
    assert [each.cost.estimate for each in found] == pytest.approx([0.6, 2.0])


def test_ages_count_from_the_freshest_candidate():
    (found,) = costs_by_age(record({3: 0.0, 4: 0.5}, {2: 0.0, 3: 0.5}), 26)
    assert found.age == 1
    assert found.cost.estimate == pytest.approx(0.5)


def test_an_age_of_one_week_only_or_beyond_the_span_is_left_out():
    assert costs_by_age(record({0: 0.0, 1: 0.5}, {0: 0.0}), 26) == ()
    assert costs_by_age(record({0: 0.0, 8: 0.5}, {0: 0.0, 8: 0.5}), 4) == ()
