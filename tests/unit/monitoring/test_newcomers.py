"""Who is new among the newest points, in words."""

from collections.abc import Callable

import numpy as np
import pandas as pd

from pipelines.monitoring.newcomers import describe_newcomers
from pipelines.spec.features import CalendarFeature, WindowFeature
from pipelines.spec.model import ModelSpec
from tests.support.sales import sales_model

__all__ = ["sales_model"]


def points(seed: int, count: int, day: int, *, large: float = 0.0) -> pd.DataFrame:
    """Points of twenty shops; a share of them has sold far more."""
    rng = np.random.default_rng(seed)
    return pd.DataFrame(
        {
            "shop": rng.choice([f"s{number}" for number in range(20)], count),
            "decision_time": pd.Timestamp("2026-01-05")
            + pd.to_timedelta(day + rng.integers(0, 7, count), unit="D"),
            "sold": rng.normal(size=count) + 9 * (rng.random(count) < large),
            "day": day,
        }
    )


def test_new_points_are_described_by_a_rule(sales_model: Callable[..., ModelSpec]) -> None:
    sold = WindowFeature.model_validate(
        {
            "kind": "window",
            "name": "sold",
            "stream": "sales",
            "by": ["shop"],
            "aggregate": "sum",
            "column": "units",
            "window": "7d",
        }
    )
    day = CalendarFeature(kind="calendar", name="day", part="day_of_year")
    spec = sales_model().model_copy(update={"features": (sold, day)})
    before = points(1, 1500, 0)
    words = describe_newcomers(spec, before, points(2, 800, 28, large=0.3))
    assert "of those in the recent window (AUC 0.6" in words
    assert ": sold above " in words
    assert describe_newcomers(spec, before, points(3, 800, 28)) == ""
    assert describe_newcomers(spec, before, points(3, 8, 28)) == "", "too few to be compared"
