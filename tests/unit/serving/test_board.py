"""What a board makes of scores, labels and stock."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pandas as pd
import pytest

from pipelines.serving.board import Shortages, board_days, board_entities, shortages

AT = datetime(2026, 3, 2, tzinfo=UTC)
NAIVE = AT.replace(tzinfo=None)  # as tables have instants
DAY = timedelta(days=1)


def newest() -> pd.DataFrame:
    return pd.DataFrame(
        {
            "shop": ["c", "a", "b"],
            "prediction": [7.0, 10.0, 5.0],
            "on_hand": [8.0, 4.0, None],
            "first_event": [NAIVE - 100 * DAY, NAIVE - 100 * DAY, NAIVE - 2 * DAY],
        }
    )


def past() -> pd.DataFrame:
    return pd.DataFrame(
        {
            "shop": ["a", "a", "c", "c"],
            "decision_time": [NAIVE - day * DAY for day in (3, 2, 3, 2)],
            "prediction": [9.0, 11.0, 6.0, 6.0],
            "label": [8.0, 12.0, 7.0, 3.0],
            "on_hand": [4.0, 4.0, 2.0, None],
        }
    )


def test_an_order_is_what_the_prediction_exceeds_the_stock_by() -> None:
    found = board_entities(newest(), past(), ["shop"], "on_hand", AT - 28 * DAY)
    assert [(one.keys["shop"], one.stock, one.order) for one in found] == [
        ("a", 4.0, 6.0),
        ("b", None, 5.0),
        ("c", 8.0, 0.0),
    ]


def test_an_entity_without_a_label_is_new_until_its_time_is_over() -> None:
    a, b, _ = board_entities(newest(), past(), ["shop"], "on_hand", AT - 28 * DAY)
    assert (a.is_new, a.scored, a.predicted, a.actual) == (False, 2, 10.0, 10.0)
    assert (b.is_new, b.scored, b.predicted, b.actual) == (True, 0, None, None)
    _, later, _ = board_entities(newest(), past(), ["shop"], "on_hand", AT - 2 * DAY)
    assert not later.is_new


def test_a_key_may_be_an_instant() -> None:
    keyed = [frame.assign(shop=NAIVE) for frame in (newest().head(1), past().head(1))]
    (one,) = board_entities(keyed[0], keyed[1], ["shop"], None, AT)
    assert one.keys == {"shop": "2026-03-02T00:00:00Z"}
    assert one.scored == 1


def test_without_a_declared_stock_there_is_no_order() -> None:
    found = board_entities(newest(), past().head(0), ["shop"], None, AT)
    assert {(one.stock, one.order, one.scored) for one in found} == {(None, None, 0)}


def test_days_are_sums_over_the_scores_of_an_instant() -> None:
    first, second = board_days(past())
    assert (first.decided_at, first.entities) == (AT - 3 * DAY, 2)
    assert (first.predicted, first.actual) == (15.0, 15.0)
    assert (second.predicted, second.actual) == (17.0, 15.0)


def test_a_shortage_is_covered_if_the_prediction_was_enough() -> None:
    """Two scores of a and one of c had too little in stock; one prediction was high enough."""
    assert shortages(past(), "on_hand") == Shortages(scores=3, without_order=3, covered=1)


@pytest.mark.parametrize("stock", [None, "on_hand"])
def test_no_earlier_score_is_no_error(stock: str | None) -> None:
    nothing = past().head(0)
    assert board_days(nothing) == ()
    assert len(board_entities(newest(), nothing, ["shop"], stock, AT)) == 3
    assert shortages(nothing, "on_hand") == Shortages(scores=0, without_order=0, covered=0)
