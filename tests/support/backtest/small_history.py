"""Twelve weeks of four shops in memory: amounts follow sizes by a factor that grows each day."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pandas as pd

from pipelines.backtest.history import History
from pipelines.backtest.losses import Losses
from pipelines.backtest.predictions import Predictions
from pipelines.core.weeks import WEEK
from pipelines.spec.model import ModelSpec
from tests.support.backtest.drifting_shops import DECLARATION

SPEC = ModelSpec.model_validate({**DECLARATION, "split": {"train": "21d", "recent": "7d"}})
BEGIN = datetime(2026, 1, 5, tzinfo=UTC)
WEEKS, SHOPS = 12, 4
UNLABELLED = 9  # the week whose labels never came
MONDAYS = [BEGIN + number * WEEK for number in range(WEEKS + 1)]


def small_history(shops: int = SHOPS) -> History:
    """The decision points of all weeks, three times a day."""
    day, part, shop = (one.ravel() for one in np.mgrid[0 : 7 * WEEKS, 0:3, 0:shops])
    rng = np.random.default_rng(5)
    size = rng.normal(2, 1, len(day))
    at = BEGIN + pd.to_timedelta(24 * day + 6 * part, unit="h")
    label = (1 + day / 30) * size + 0.1 * rng.normal(size=len(day))
    label[day // 7 == UNLABELLED] = np.nan
    rows = pd.DataFrame(
        {
            "shop": [f"s{number}" for number in shop],
            "decision_time": at.tz_localize(None).astype("datetime64[us]"),
            "matured_at": (at + SPEC.maturity).tz_localize(None).astype("datetime64[us]"),
            "size": size,
            "orders_7d": 21.0,
            "label": label,
        }
    )
    return History(SPEC, rows)


def small_losses(folder: Path) -> Losses:
    """The losses of every candidate on these weeks; fits are kept in a folder."""
    predictions = Predictions(small_history(), folder, near=26, in_sample_span=timedelta(days=7))
    return Losses(predictions, MONDAYS[-1] + WEEK)
