"""The page of a board."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from pipelines.reporting.serving.board_page import MOST_ROWS, board_page
from pipelines.serving.board import Board, BoardDay, BoardEntity, Shortages

AT = datetime(2026, 3, 2, tzinfo=UTC)
DAY = timedelta(days=1)


def entity(shop: str, item: str = "tea", **changes: Any) -> BoardEntity:
    values = {
        "keys": {"shop": shop, "item": item},
        "prediction": 10.2,
        "stock": 4.0,
        "order": 6.2,
        "first_event": AT - 100 * DAY,
        "is_new": False,
        "scored": 3,
        "predicted": 9.5,
        "actual": 8.5,
    }
    return BoardEntity.model_validate(values | changes)


def board(*entities: BoardEntity, **changes: Any) -> Board:
    values = {
        "model": "drinks",
        "description": "Cups & mugs.",
        "at": AT,
        "valid_until": AT + 2 * DAY,
        "versions": {"4": 2},
        "entities": entities or (entity("a"), entity("b", stock=None, order=10.2)),
        "days": (BoardDay(decided_at=AT - 9 * DAY, entities=2, predicted=22.0, actual=20.0),),
        "shortages": Shortages(scores=10, without_order=8, covered=6),
    }
    return Board.model_validate(values | changes)


def test_orders_are_whole_units_in_sums_too() -> None:
    """6.2 and 10.2 packs are 7 and 11 packs."""
    page = board_page(board())
    assert "<dt>to order</dt><dd>18</dd>" in page
    assert "<dt>stock unknown</dt><dd>1</dd>" in page
    assert "<dt>out of stock</dt><dd>0</dd>" in page


def test_a_stock_below_zero_is_out_of_stock() -> None:
    page = board_page(board(entity("a", stock=-2.0), entity("b", stock=0.0), entity("c")))
    assert "<dt>out of stock</dt><dd>2</dd>" in page


def test_a_stock_in_whole_units_has_no_decimals() -> None:
    page = board_page(board(entity("a", stock=69.0), entity("b", stock=1175.0)))
    for wanted in ("69", "1,175", "1,244"):
        assert f'<td class="n">{wanted}</td>' in page
    assert "69.0" not in page
    assert '<td class="n">2.5</td>' in board_page(board(entity("a", stock=2.5)))


def test_versions_of_another_label_are_named() -> None:
    assert "declared one: 4)" in board_page(board(other_label=("4",)))
    assert "declared one" not in board_page(board())


def test_it_states_how_far_off_earlier_scores_were_and_what_orders_covered() -> None:
    page = board_page(board())
    assert "10.0% too much on average" in page
    assert "the stock alone would not have lasted in 8." in page
    assert "covered 6 of these (75%)" in page
    assert "No earlier score has a label yet." in board_page(board(days=()))


def test_a_board_without_a_stock_has_no_orders() -> None:
    plain = entity("a", stock=None, order=None)
    page = board_page(board(plain, shortages=None))
    assert "order</th>" not in page
    assert "to order" not in page


def test_names_from_the_data_are_text() -> None:
    page = board_page(board(entity("<script>alert(1)</script>"), description="<b>"))
    assert "<script>alert" not in page
    assert "<b>" not in page


def test_each_key_has_sums_and_the_largest_orders_come_first() -> None:
    page = board_page(board(entity("a", order=1.0), entity("b", "cocoa", order=9.0)))
    assert "<h2>By shop</h2>" in page
    assert "<h2>By item</h2>" in page
    rows = page[page.index('id="entities"') :]
    assert rows.index("cocoa") < rows.index("tea")


@pytest.mark.parametrize("count", [MOST_ROWS, MOST_ROWS + 1])
def test_a_long_list_is_cut_with_a_remark(count: int) -> None:
    new = [entity(f"s{number}", is_new=True) for number in range(count)]
    page = board_page(board(*new))
    assert page.count("all of them are in the board") == 2 * (count > MOST_ROWS)
    assert page[: page.index("All entities")].count("<tr>") == MOST_ROWS + 1 + 2
    assert ("all of them are in the board" in page) == (count > MOST_ROWS)
    assert page[page.index('id="entities"') :].count("<tr>") == MOST_ROWS + 1
    assert "By shop" not in page, "a key with so many values has no sums"


def test_a_page_requests_nothing() -> None:
    assert not re.search(r"src=|@import|<link|url\((?!#)", board_page(board()))
