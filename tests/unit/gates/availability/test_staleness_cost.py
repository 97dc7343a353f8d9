"""Fresh, served and mismatched features in a world whose answers follow from algebra."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from pipelines.core.errors import DataError
from pipelines.gates.availability.staleness_cost import FeatureSource, compare_freshness
from pipelines.spec.model import ModelSpec
from tests.support.feature_frame import declare, window

DAYS, SHOPS = 40, 250


def spec() -> ModelSpec:
    columns = {"shop": "integer", "amount": "float"}
    return declare(
        streams={"sales": {"event_time": "t", "known_time": "k", "columns": columns}},
        features=[window("sum", "amount", "1d", name="sold")],
        serving={"every": "1d", "delay": "1d"},
        estimator={"path": "sklearn.linear_model.LinearRegression"},
        metric={"name": "squared_error", "minimum_effect": 0.1},
    )


def world(seed: int) -> dict[FeatureSource, pd.DataFrame]:
    """The label is the fresh value; the served one is yesterday's, correlated by a half."""
    rng = np.random.default_rng(seed)
    fresh = rng.standard_normal((SHOPS, DAYS))
    served = 0.5 * fresh + np.sqrt(0.75) * rng.standard_normal((SHOPS, DAYS))
    days = pd.date_range("2026-01-05", periods=DAYS, unit="us")
    points = {
        "shop": np.repeat(np.arange(SHOPS), DAYS),
        "decision_time": np.tile(days, SHOPS),
        "label": fresh.ravel(),
    }
    return {
        "fresh": pd.DataFrame({**points, "sold": fresh.ravel()}),
        "served": pd.DataFrame({**points, "sold": served.ravel()}),
    }


def test_the_claim_the_truth_and_the_surprise() -> None:
    """Fresh: the label itself, no error. Served: half of what is served, 1 - 0.5^2 = 0.75.
    Mismatched: all of what is served, 1 + 1 - 2 * 0.5 = 1.

    A mean of 10,000 squares of normal numbers has a standard error below 0.015; five of them.
    """
    comparison = compare_freshness(spec(), world(1), world(2))
    fresh, served, mismatched = comparison.variants
    assert [variant.name for variant in comparison.variants] == ["fresh", "served", "mismatched"]
    assert fresh.metric == pytest.approx(0.0, abs=1e-12)
    assert fresh.interval is None
    assert served.metric == pytest.approx(0.75, abs=0.075)
    assert mismatched.metric == pytest.approx(1.0, abs=0.075)
    assert served.difference == pytest.approx(-served.metric)
    assert mismatched.interval is not None
    assert mismatched.interval.high < 0, "the mismatch does not differ from fresh features"


def test_ways_are_compared_on_the_same_points_only() -> None:
    recent = world(2)
    recent["served"] = recent["served"].iloc[::-1]
    with pytest.raises(DataError, match="different points"):
        compare_freshness(spec(), world(1), recent)
