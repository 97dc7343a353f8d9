"""Fits of a candidate's twins."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from pipelines.flows.retrain.train import fit_twins
from pipelines.training.fit import fit
from pipelines.training.score import score
from tests.support.training_frame import frame, recent, regression, train

__all__ = ["frame", "recent", "regression", "train"]


@pytest.mark.parametrize(
    ("path", "fitted"),
    [("sklearn.linear_model.LinearRegression", [1]), ("sklearn.tree.ExtraTreeRegressor", [1, 2])],
)
def test_seeds_that_change_nothing_are_fitted_once(
    regression, frame, train, recent, path: str, fitted: list[int]
) -> None:
    spec = regression(seeds=[1, 2], estimator={"path": path})
    seeds: list[int] = []

    def counted(spec, rows, seed):
        seeds.append(seed)
        return fit(spec, rows, seed)

    run: Any = SimpleNamespace(
        spec=spec, collaborators=SimpleNamespace(fit=counted, progress=lambda _: None)
    )
    twins, _ = fit_twins(run, frame(train), None)
    assert seeds == fitted
    assert len(twins) == 2
    rows = frame(recent)
    for seed, twin in zip(spec.seeds, twins, strict=True):
        alone = fit(spec, frame(train), seed).pipeline
        np.testing.assert_array_equal(
            score(twin, spec, rows).predictions, score(alone, spec, rows).predictions
        )
