"""Two recipes of a simulated chain of shops, one of which trims its training rows."""

from __future__ import annotations

import numpy as np
import pandas as pd

from pipelines.core.time import parse_instant
from pipelines.spec.model import ModelSpec
from pipelines.training.row_sets import AuditData, RecipeView

AS_OF = parse_instant("2026-04-01")
TRAINING_DAYS, RECENT_DAYS = 56, 28
SHOPS = 2000
LARGEST = 1.5  # sizes above this are what the candidate trims


def recipe(largest: float | None = None) -> ModelSpec:
    """The declaration; ``largest`` is the candidate's filter of training points."""
    columns = {"shop": "string", "size": "float", "price": "float", "kind": "string"}
    columns |= {"answer": "float", "answered_at": "timestamp"}
    where = [] if largest is None else [{"column": "size", "at_most": largest}]
    return ModelSpec.model_validate(
        {
            "name": "toy",
            "description": "a number",
            "owner": "benchmarks",
            "streams": {"asked": {"event_time": "at", "known_time": "seen", "columns": columns}},
            "points": {"kind": "event", "stream": "asked", "keys": ["shop"], "where": where},
            "label": {
                "kind": "own_row",
                "column": "answer",
                "known_at": "answered_at",
                "horizon": "2d",
            },
            "features": [{"kind": "attribute", "name": name} for name in ("size", "price", "kind")],
            "split": {"train": f"{TRAINING_DAYS}d", "recent": f"{RECENT_DAYS}d"},
            "estimator": {
                "path": "sklearn.ensemble.HistGradientBoostingRegressor",
                "parameters": {"max_iter": 20, "max_features": 0.5},
            },
            "seeds": [1, 2],
            "metric": {"name": "absolute_error", "minimum_effect": 0.05},
        }
    )


def audit_data(rows: int, seed: int) -> AuditData:
    """What the audit reads: ``rows`` points of both windows together, before trimming."""
    rng = np.random.default_rng(seed)
    recent_rows = rows * RECENT_DAYS // (TRAINING_DAYS + RECENT_DAYS)
    training = _rows(rng, "2026-01-05", TRAINING_DAYS, rows - recent_rows)
    recent = _rows(rng, "2026-03-04", RECENT_DAYS, recent_rows)
    small = [part[part["size"] <= LARGEST] for part in (training, recent)]
    return AuditData(
        champion=RecipeView(recipe()),
        candidate=RecipeView(recipe(LARGEST)),
        training={"champion": training, "candidate": small[0]},
        recent={("champion", "champion"): recent, ("candidate", "champion"): small[1]},
    )


def _rows(rng: np.random.Generator, start: str, days: int, n: int) -> pd.DataFrame:
    shop = rng.integers(0, SHOPS, n)
    size, price = rng.normal(size=n), rng.normal(size=n)
    seconds = np.sort(rng.integers(0, days * 86_400, n))
    kind = np.where(shop % 3 == 0, "b", "a")
    lasting = 0.3 * rng.normal(size=SHOPS)
    return pd.DataFrame(
        {
            "shop": np.char.add("shop ", shop.astype(str)),
            "decision_time": pd.Timestamp(start) + pd.to_timedelta(seconds, unit="s"),
            "size": size,
            "price": price,
            "kind": kind,
            "label": 2 * size + 3 * (kind == "b") + lasting[shop] + rng.normal(size=n),
        }
    )
