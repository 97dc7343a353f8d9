"""Metrics of declared slices; one in which the champion has become worse is named."""

from __future__ import annotations

from datetime import timedelta

import numpy as np
import pytest

from pipelines.core.time import Window
from pipelines.monitoring.metrics.measuring import measure
from pipelines.monitoring.metrics.predicted_rows import PredictedRows
from tests.support.training_frame import frame, recent, regression, train

__all__ = ["frame", "recent", "regression", "train"]


@pytest.fixture
def predict(frame):
    """Rows of a window whose predictions miss by a normal error, by kind."""

    def make(window: Window, seed: int, **errors: float) -> PredictedRows:
        rows = frame(window, seed=seed)
        noise = np.random.default_rng(seed).normal(size=len(rows))
        size = rows["kind"].map({"a": 1.0, "b": 1.0, "c": 1.0} | errors).to_numpy()
        return PredictedRows(rows, rows["label"].to_numpy() + size * noise)

    return make


def test_the_slice_that_is_worse_is_named(predict, regression, train, recent) -> None:
    spec = regression(
        slices=[{"column": "kind", "margin": 0.1}, {"column": "size", "bins": 3, "margin": 9.0}]
    )
    found = measure(spec, predict(recent, 1, c=2.0), predict(train, 2))
    assert found is not None
    assert [(part.column, part.value) for part in found.slices if part.worse] == [("kind", "c")]
    assert {part.value for part in found.slices if part.column == "size"} == {
        "bin_1_of_3",
        "bin_2_of_3",
        "bin_3_of_3",
        "missing",
    }
    for part in found.slices:
        if part.column == "kind":
            expected = 0.798 * (2 if part.value == "c" else 1)
            assert part.metric == pytest.approx(expected, rel=0.1)
            assert part.reference == pytest.approx(0.798, rel=0.1)
            rmse = next(one for one in part.metrics if one.name == "rmse")
            assert rmse.value == pytest.approx(expected * 1.25, rel=0.1)
            assert rmse.reference == pytest.approx(1.0, rel=0.1)
            assert rmse.interval is not None


def test_only_the_newest_rows_with_labels_count(predict, regression, train, recent) -> None:
    both = predict(Window(train.start, recent.end), 1)
    unknown = both.rows["decision_time"] >= recent.start.replace(tzinfo=None)
    both.rows.loc[unknown, "label"] = np.nan
    found = measure(regression(), both, predict(recent, 2))
    assert found is not None
    assert found.end < recent.start
    assert found.end - found.start <= timedelta(days=28)
    few = both.where(np.arange(len(both.rows)) < 29)
    assert measure(regression(), few, both) is None
