"""Rows are learned in intervals of a fixed grid."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import SGDRegressor
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import StandardScaler

from pipelines.core.errors import DataError
from pipelines.spec.model import ModelSpec
from pipelines.training.updates.learn import IncrementalLearner, grid_floor, intervals, learn_each
from tests.support.updates.visits_home import declaration

HOUR = timedelta(hours=1)
NIGHT = datetime(2026, 1, 5, tzinfo=UTC)
SPEC = ModelSpec.model_validate(
    declaration(
        estimator={"path": "sklearn.linear_model.SGDRegressor"},
        metric={"name": "absolute_error", "minimum_effect": 0.1},
    )
)


def rows(minutes: list[int], label: list[float | None]) -> pd.DataFrame:
    rng = np.random.default_rng(len(minutes))
    return pd.DataFrame(
        {
            "decision_time": pd.Timestamp("2026-01-05") + pd.to_timedelta(minutes, unit="min"),
            "minutes": rng.normal(size=len(minutes)),
            "price": rng.normal(size=len(minutes)),
            "label": pd.array(label, dtype="Float64"),
        }
    )


def fitted() -> Pipeline:
    pipeline = Pipeline(
        [("prepare", StandardScaler()), ("estimator", SGDRegressor(random_state=1))]
    )
    start = rows(list(range(50)), [float(number % 3) for number in range(50)])
    return pipeline.fit(start[["minutes", "price"]], start["label"].to_numpy(dtype=float))


def test_intervals_begin_on_a_grid_that_does_not_depend_on_the_first_row() -> None:
    found = intervals(rows([30, 59, 60, 200], [1.0] * 4), HOUR)
    assert [one.start for one in found] == [NIGHT, NIGHT + HOUR, NIGHT + 3 * HOUR]
    assert [one.rows for one in found] == [slice(0, 2), slice(2, 3), slice(3, 4)]
    assert grid_floor(NIGHT + timedelta(minutes=200), HOUR) == NIGHT + 3 * HOUR


def test_the_estimator_learns_prepared_labelled_rows_and_nothing_else_changes() -> None:
    newer = rows([0, 1, 2, 61], [1.0, None, 5.0, 2.0])
    pipeline, by_hand = fitted(), fitted()
    scale = pipeline[0].mean_.tobytes()
    for places, label in (([0, 2], [1.0, 5.0]), ([3], [2.0])):
        inputs = by_hand[0].transform(newer[["minutes", "price"]].iloc[places])
        by_hand[-1].partial_fit(inputs, label)
    learner = IncrementalLearner(pipeline, SPEC, newer)
    learned = list(learn_each(learner, intervals(newer, HOUR), [0, 3]))
    assert [one.rows for one in learned] == [2, 1]
    assert pipeline[-1].coef_.tobytes() == by_hand[-1].coef_.tobytes()
    assert pipeline[0].mean_.tobytes() == scale


def test_the_error_is_that_of_the_answers_before_the_rows_are_learned() -> None:
    newer = rows([0, 1], [3.0, 7.0])
    pipeline = fitted()
    before = pipeline.predict(newer[["minutes", "price"]])
    learner = IncrementalLearner(pipeline, SPEC, newer)
    [one] = learn_each(learner, intervals(newer, HOUR), [0, 1])
    assert one.error == pytest.approx(float(np.abs(np.array([3.0, 7.0]) - before).mean()))
    assert one.before == pytest.approx(before)
    assert one.after == pytest.approx(pipeline.predict(newer[["minutes", "price"]]))


def test_an_interval_without_labels_teaches_nothing() -> None:
    newer = rows([0, 1], [None, None])
    pipeline = fitted()
    before = pipeline[-1].coef_.tobytes()
    learner = IncrementalLearner(pipeline, SPEC, newer)
    assert not list(learn_each(learner, intervals(newer, HOUR), []))
    assert pipeline[-1].coef_.tobytes() == before


def test_rows_that_the_estimator_rejects_are_a_data_error() -> None:
    pipeline = fitted()
    pipeline[-1].set_params(early_stopping=True)
    learner = IncrementalLearner(pipeline, SPEC, rows([0], [1.0]))
    with pytest.raises(DataError, match="cannot learn newer rows"):
        learner.learn(np.array([0]))
