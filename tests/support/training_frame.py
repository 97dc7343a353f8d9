"""A small declaration and a frame with a known truth, for the tests of training."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any

import numpy as np
import pandas as pd
import pytest
from threadpoolctl import threadpool_limits

from pipelines.core.time import Window
from pipelines.spec.model import ModelSpec


def _declaration(**changes: Any) -> dict[str, Any]:
    """A regression on two numbers, a text and a yes/no; ``changes`` replace top-level keys."""
    columns = {
        "shop": "string",
        "size": "float",
        "price": "float",
        "open": "boolean",
        "kind": "string",
        "answer": "float",
        "answered_at": "timestamp",
    }
    whole = {
        "name": "toy",
        "description": "A number that depends on size, price and kind.",
        "owner": "tests",
        "streams": {
            "asked": {"event_time": "asked_at", "known_time": "seen_at", "columns": columns}
        },
        "points": {"kind": "event", "stream": "asked", "keys": ["shop"]},
        "label": {
            "kind": "own_row",
            "column": "answer",
            "known_at": "answered_at",
            "horizon": "2d",
            "delay": "1d",
        },
        "features": [
            {"kind": "attribute", "name": "size"},
            {"kind": "attribute", "name": "price"},
            {"kind": "attribute", "name": "open"},
            {"kind": "attribute", "name": "kind"},
        ],
        "split": {"train": "56d", "recent": "28d"},
        "estimator": {
            "path": "sklearn.ensemble.HistGradientBoostingRegressor",
            "parameters": {"max_iter": 40},
        },
        "seeds": [1, 2, 3],
        "metric": {"name": "absolute_error", "minimum_effect": 0.05},
    }
    return {**whole, **changes}


def _classification(**changes: Any) -> dict[str, Any]:
    """The same with a classifier, log loss and AUC."""
    return _declaration(
        **{
            "estimator": {
                "path": "sklearn.ensemble.HistGradientBoostingClassifier",
                "parameters": {"max_iter": 40},
            },
            "metric": {"name": "log_loss", "minimum_effect": 0.01},
            **changes,
        }
    )


def _frame(window: Window, seed: int = 0, shops: int = 80, per_day: int = 60) -> pd.DataFrame:
    """Frame rows of a window. answer = 2 size + 3 (kind b) + noise; sizes are missing at times."""
    rng = np.random.default_rng(seed)
    days = window.duration.days
    n = days * per_day
    start = pd.Timestamp(window.start).tz_localize(None)
    minutes = np.sort(rng.integers(0, days * 24 * 60, n))
    size = rng.normal(size=n)
    kind = rng.choice(["a", "b", "c"], n)
    answer = 2 * size + 3 * (kind == "b") + rng.normal(size=n)
    return pd.DataFrame(
        {
            "shop": [f"s{number:03d}" for number in rng.integers(0, shops, n)],
            "decision_time": start + pd.to_timedelta(minutes, unit="m"),
            "size": np.where(rng.random(n) < 0.05, np.nan, size),
            "price": rng.normal(size=n),
            "open": rng.random(n) < 0.5,
            "kind": kind,
            "label": answer,
        }
    )


@pytest.fixture(autouse=True)
def _one_thread() -> Iterator[None]:
    """Small fits on a shared machine wait for each other's threads far longer than they compute."""
    with threadpool_limits(limits=1):
        yield


def declared_regression(**changes: Any) -> ModelSpec:
    """The regression declaration, with changes to top-level keys."""
    return ModelSpec.model_validate(_declaration(**changes))


def declared_classification(**changes: Any) -> ModelSpec:
    """The classification declaration, with changes to top-level keys."""
    return ModelSpec.model_validate(_classification(**changes))


@pytest.fixture
def regression() -> Callable[..., ModelSpec]:
    """Makes the regression declaration, with changes to top-level keys."""
    return declared_regression


@pytest.fixture
def classifier() -> Callable[..., ModelSpec]:
    """Makes the classification declaration, with changes to top-level keys."""
    return declared_classification


@pytest.fixture
def frame() -> Callable[..., pd.DataFrame]:
    """Makes frame rows of a window."""
    return _frame


@pytest.fixture
def binary() -> Callable[..., pd.DataFrame]:
    """Makes frame rows of a window whose label is 1 where the number is above 1, else 0."""

    def make(*arguments: Any, **named: Any) -> pd.DataFrame:
        rows = _frame(*arguments, **named)
        return rows.assign(label=(rows["label"] > 1).astype(float))

    return make


@pytest.fixture
def train() -> Window:
    """Eight weeks."""
    return Window(datetime(2025, 12, 1, tzinfo=UTC), datetime(2026, 1, 26, tzinfo=UTC))


@pytest.fixture
def recent() -> Window:
    """The four weeks after, beyond the gap."""
    return Window(datetime(2026, 1, 29, tzinfo=UTC), datetime(2026, 2, 26, tzinfo=UTC))
