from datetime import UTC, date, datetime, timedelta

import numpy as np
import pytest

from pipelines.gates.refresh.record import RecordedWeek, RefreshRecord, known_weeks

MONDAY = datetime(2026, 1, 5, tzinfo=UTC)


def week(losses, start=MONDAY, points=10):
    return RecordedWeek(start=start.date(), points=points, rows_digest="r", losses=losses)


def ago(days, start=MONDAY):
    return start - timedelta(days=days)


def test_a_candidate_is_as_old_as_its_as_of():
    recorded = week({ago(0): 1.0, ago(7): 1.2, ago(21): 1.6})
    assert recorded.slope(26).cost == pytest.approx(0.2)


def test_only_differences_of_age_count():
    recorded = week({ago(10): 1.0, ago(24): 1.4})
    assert recorded.slope(26).cost == pytest.approx(0.2)


def test_a_candidate_trained_within_the_week_does_not_count():
    recorded = week({ago(-1): 0.0, ago(0): 1.0, ago(7): 1.2})
    assert recorded.slope(26).cost == pytest.approx(0.2)


def test_one_candidate_of_each_week_of_age_counts():
    recorded = week({ago(0): 1.0, ago(3): 9.0, ago(6): 9.0, ago(7): 1.2})
    assert recorded.slope(26).cost == pytest.approx(0.2)


def test_older_candidates_than_the_span_do_not_count():
    recorded = week({ago(0): 1.0, ago(7): 1.2, ago(28): 9.0})
    assert recorded.slope(3).cost == pytest.approx(0.2)


def test_a_week_with_one_age_adds_nothing():
    record = RefreshRecord(
        recipe="r",
        weeks=(week({ago(0): 1.0}), week({ago(0): 1.0, ago(7): 1.2}, MONDAY + timedelta(days=7))),
    )
    slopes, weights = record.slopes(26)
    assert slopes == pytest.approx(np.array([0.2]))
    assert weights.tolist() == [5.0]  # two models: half a point each


def test_weeks_with_the_same_freshest_candidate_count_as_one():
    later, last = MONDAY + timedelta(days=7), MONDAY + timedelta(days=14)
    record = RefreshRecord(
        recipe="r",
        weeks=(
            week({ago(7): 1.0, ago(14): 1.2}, points=10),
            week({ago(7): 1.0, ago(14): 1.6}, later, points=30),
            week({last: 1.0, ago(7): 1.3}, last, points=20),
        ),
    )
    slopes, weights = record.slopes(26)
    assert slopes == pytest.approx(np.array([0.5, 0.1]))  # (10 x 0.2 + 30 x 0.6) / 40
    assert weights.tolist() == [20.0, 90.0]  # points times squared age, halved for two models


def test_weeks_are_added_in_order_and_keep_their_losses():
    later = MONDAY + timedelta(days=7)
    record = RefreshRecord(recipe="r", weeks=(week({ago(0): 1.0}, later),))
    grown = record.with_weeks(
        {MONDAY.date(): week({ago(0): 2.0}), later.date(): week({ago(7): 3.0}, later)}
    )
    assert [one.start for one in grown.weeks] == [MONDAY.date(), later.date()]
    assert grown.weeks[1].losses == {ago(0): 1.0, ago(7): 3.0}


def test_a_record_is_stored_with_the_instants_as_text():
    record = RefreshRecord(recipe="r", weeks=(week({ago(7): 1.5}),))
    stored = record.as_json()
    assert stored["weeks"][0]["losses"] == {"2025-12-29T00:00:00Z": 1.5}
    assert RefreshRecord.from_stored(stored) == record


def test_a_week_is_known_when_its_last_label_has_matured():
    assert known_weeks(MONDAY, MONDAY + timedelta(days=8), timedelta(days=1)) == (MONDAY.date(),)
    assert known_weeks(MONDAY, MONDAY + timedelta(days=7, hours=23), timedelta(days=1)) == ()
    midweek = MONDAY + timedelta(days=2)
    assert known_weeks(midweek, MONDAY + timedelta(days=14), timedelta()) == (date(2026, 1, 12),)


def test_the_freshest_candidate_is_compared_with_the_naive_forecast():
    weeks = (
        week({ago(0): 1.0, ago(7): 1.2, ago(-3): 0.1}).model_copy(update={"naive": 1.5}),
        week({ago(0): 1.0}, MONDAY + timedelta(days=7)),
        week({ago(-14): 1.4}, MONDAY + timedelta(days=14), 20).model_copy(update={"naive": 1.5}),
    )
    record = RefreshRecord(recipe="r", weeks=weeks)
    gains, points = record.gains_over_naive(MONDAY)
    assert gains == pytest.approx(np.array([0.5, 0.1]))
    assert points.tolist() == [10.0, 20.0]
    assert len(record.gains_over_naive(MONDAY + timedelta(days=1))[0]) == 1
    assert [len(part) for part in record.gains_over_naive(ago(-99))] == [0, 0]
