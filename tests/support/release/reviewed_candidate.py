"""A judged candidate on made-up rows of the example model; better, worse, or the first one."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from pipelines.core.time import parse_instant
from pipelines.gates.recent_window.evaluate import WindowPredictions, evaluate
from pipelines.reporting.retraining.sections import VersionReview
from pipelines.spec.load import load_model
from pipelines.training.score import Scored, rows_digest
from pipelines.training.split import split_plan

ROOT = Path(__file__).parents[3]


@pytest.fixture(scope="session")
def reviewed() -> Callable[..., VersionReview]:
    """``reviewed(gain)``: the candidate's error is that much smaller than the champion's."""
    spec = load_model(ROOT / "models" / "demand.yaml")
    spec = spec.model_copy(
        update={
            "metric": spec.metric.model_copy(update={"minimum_effect": 0.2}),
            "slices": tuple(part.model_copy(update={"margin": 1.0}) for part in spec.slices),
        }
    )
    plan = split_plan(spec, parse_instant("2026-01-05"))
    rng = np.random.default_rng(5)
    days = pd.date_range(plan.recent.start.replace(tzinfo=None), periods=28, freq="D")
    shops, medicines = [f"p{i:02d}" for i in range(20)], ["ibuprofen", "insulin", "salbutamol"]
    index = pd.MultiIndex.from_product([days, shops, medicines])
    rows = pd.DataFrame(
        {name: index.get_level_values(level) for level, name in enumerate(_KEYS)}
        | {name: rng.normal(size=len(index)) for name in spec.feature_names if name not in _KEYS}
    )
    rows["label"] = rng.poisson(30, len(rows)).astype(float)
    luck = rng.normal(0, 0.4, (3, 1)) + rng.normal(0, 1, (3, len(rows)))
    sign = rng.choice([-1.0, 1.0], len(rows))

    def make(
        gain: float, *, champion: bool = True, harm: float = 0.0, naive: float = 60.0
    ) -> VersionReview:
        error = 6 + rng.normal(0, 1, len(rows))
        harmed = (rows["medicine"] == "insulin").to_numpy() * harm
        digest = rows_digest(spec, rows)
        label = rows["label"].to_numpy()
        candidates = [
            Scored(label + sign * (error - gain + harmed + 0.2 * one), digest, ()) for one in luck
        ]
        found = evaluate(
            spec,
            plan.recent,
            rows,
            WindowPredictions(
                candidates=candidates,
                champion=Scored(label + sign * error, digest, ()) if champion else None,
                naive=Scored(np.full(len(label), naive), digest, ()),
            ),
        )
        return VersionReview(
            spec=spec,
            run="demand-2026-01-05-live-3fa9c1",
            snapshot="4be1" * 16,
            plan=plan,
            evaluation=found,
            findings=found.findings,
            champion="3" if champion else None,
            version="4",
        )

    return make


_KEYS = ("decision_time", "pharmacy", "medicine")
