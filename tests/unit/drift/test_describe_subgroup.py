"""Planted groups of rows are named by the conditions that they were planted with."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest

from pipelines.drift.describe_subgroup import NO_RULE, describe_subgroup

ROWS = 20_000


@pytest.fixture(scope="module")
def orders() -> pd.DataFrame:
    rng = np.random.default_rng(1)
    return pd.DataFrame(
        {
            "quantity": rng.integers(1, 200, ROWS).astype(float),
            "region": rng.choice(list("nsew"), ROWS),
            "shop": rng.integers(0, 400, ROWS).astype(str),
            "urgent": rng.random(ROWS) < 0.3,
        }
    )


@pytest.mark.parametrize(
    ("planted", "words"),
    [
        ("quantity > 90", "quantity above 90"),
        ("quantity > 60 and quantity <= 100", "quantity at most 100 and quantity above 60"),
        ("region != 'n'", "region not n"),
        ("region == 'n' and urgent", "region n and urgent True"),
        ("shop == '7'", "shop 7"),
        ("quantity > 185 and region == 's'", "quantity above 185 and region s"),
    ],
)
def test_a_planted_group_is_named(orders: pd.DataFrame, planted: str, words: str) -> None:
    found: Any = orders.eval(planted)
    picked = found.to_numpy(bool)
    assert describe_subgroup(orders, picked, {str(name): str(name) for name in orders}) == words


def test_a_rule_that_misses_some_and_includes_others_reports_how_many(orders: pd.DataFrame) -> None:
    rng = np.random.default_rng(2)
    chance = np.where(orders["quantity"] > 90, 0.8, 0.02)
    words = describe_subgroup(orders, rng.random(ROWS) < chance, {"quantity": "packs"})
    assert words.startswith("packs above 90 (9")
    assert "of the others)" in words


def test_a_group_drawn_by_chance_has_no_rule(orders: pd.DataFrame) -> None:
    picked = np.random.default_rng(3).random(ROWS) < 0.1
    assert describe_subgroup(orders, picked, {str(name): str(name) for name in orders}) == NO_RULE
