"""Sums of numbers, in any order, against Python's exact fractions."""

from __future__ import annotations

import math
import random
from collections.abc import Callable
from fractions import Fraction
from typing import Any

import ibis
import pytest

from pipelines.quality.sql.compile import compile_expectation
from pipelines.quality.sql.runner import run_plans

WORLDS: dict[str, Callable[[random.Random], float]] = {
    "prices": lambda chance: 30 + chance.gauss(0, 5),
    "many sizes": lambda chance: chance.choice([-1, 1]) * 10 ** chance.uniform(-12, 12),
    "cancelling": lambda chance: chance.choice([1e16, -1e16, 1.0, 0.1]),
    "far from zero": lambda chance: 1e9 + chance.random() / 1000,
    "tiny": lambda chance: chance.random() * 1e-280,
    "large": lambda chance: chance.random() * 1e304,
}


def found(values: list[float | None], what: str) -> Any:
    table = ibis.memtable({"x": values}, schema={"x": "float64"})
    plan = compile_expectation(
        table, f"expect_column_{what}_to_be_between", {"column": "x", "min_value": 0}
    )
    return run_plans(table, {0: plan})[0]["observed"]


@pytest.mark.parametrize("world", WORLDS)
def test_sums_and_means_are_exact_in_any_order(world: str) -> None:
    chance = random.Random(7)
    values = [WORLDS[world](chance) for _ in range(1001)]
    total = sum(map(Fraction, values), Fraction())
    largest = max(map(abs, values))
    sums, means = set(), set()
    for _ in range(3):
        chance.shuffle(values)
        sums.add(found([*values, None], "sum"))
        means.add(found(values, "mean"))
    [got], [mean] = sums, means
    assert abs(Fraction(got) - total) <= 1001 * Fraction(largest) / 2**58 + abs(total) / 2**53
    assert abs(Fraction(mean) - total / 1001) <= Fraction(largest) / 2**58 + abs(total) / 2**62


@pytest.mark.parametrize("world", WORLDS)
def test_a_standard_deviation_is_that_of_fractions_in_any_order(world: str) -> None:
    chance = random.Random(8)
    values = [WORLDS[world](chance) for _ in range(1001)]
    mean = sum(map(Fraction, values), Fraction()) / 1001
    variance = sum(((Fraction(one) - mean) ** 2 for one in values), Fraction()) / 1000
    orders = set()
    for _ in range(3):
        chance.shuffle(values)
        orders.add(found(values, "stdev"))
    [got] = orders
    assert abs(Fraction(got) ** 2 / variance - 1) < 1e-12


def test_small_values_count_in_a_sum_with_large_ones() -> None:
    values = [1e16, 1.0, 1.0, -1e16]
    assert found(values, "sum") == 2
    assert found(sorted(values), "sum") == 2


def test_infinite_values_stay_infinite() -> None:
    assert found([1.0, math.inf], "mean") == math.inf
    assert found([1.0, -math.inf], "sum") == -math.inf
    assert found([math.inf, -math.inf], "mean") is None
    assert found([math.inf, -math.inf], "sum") is None
    assert found([1.0, math.inf], "stdev") is None
    assert found([1.7e308, -1.7e308], "stdev") > 1e308


def test_a_sum_beyond_the_largest_double_is_infinite() -> None:
    assert found([1.7e308, 1.7e308], "sum") == math.inf
    assert found([-1.7e308, -1.7e308], "sum") == -math.inf
    assert found([1.7e308, 1.7e308], "mean") == 1.7e308


@pytest.mark.parametrize(("what", "observed"), [("sum", 0), ("mean", None), ("stdev", None)])
def test_no_value(what: str, observed: float | None) -> None:
    assert found([None], what) == observed


@pytest.mark.parametrize(("what", "observed"), [("sum", 7), ("mean", 7), ("stdev", None)])
def test_one_value(what: str, observed: float | None) -> None:
    assert found([7.0, None], what) == observed


def test_zeros() -> None:
    assert [found([0.0, 0.0], what) for what in ("sum", "mean", "stdev")] == [0, 0, 0]
