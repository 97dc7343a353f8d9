"""No label of a training part is known only after its validation part begins."""

from __future__ import annotations

from datetime import timedelta

import numpy as np
import pandas as pd
import pytest

from pipelines.core.errors import DataError
from pipelines.training.search.folds import FEWEST_ROWS, subsampled, time_folds

TIMES = pd.Series(pd.date_range("2026-01-01", periods=400, freq="6h"))
MATURITY = timedelta(days=3)


def test_training_ends_so_long_before_validation_as_labels_take() -> None:
    folds = time_folds(TIMES, MATURITY, 3)
    assert len(folds) == 3
    validated = np.concatenate([validate for _train, validate in folds])
    assert sorted(validated) == list(range(validated.min(), 400)), "each later row validates once"
    for train, validate in folds:
        gap = TIMES[validate].min() - TIMES[train].max()
        assert MATURITY <= gap < MATURITY + timedelta(hours=12)


def test_folds_without_enough_rows_are_refused() -> None:
    with pytest.raises(DataError, match="declare fewer folds"):
        time_folds(TIMES, MATURITY, 20)
    with pytest.raises(DataError, match="0 rows to train on"):
        time_folds(TIMES, timedelta(days=60), 2)


def test_subsampled_folds_train_on_fewer_rows_in_their_order_and_validate_on_all() -> None:
    folds = time_folds(TIMES, MATURITY, 1)
    (before, validate), (half, same), (third, _) = (
        subsampled(folds, step, 7)[0] for step in (1, 2, 3)
    )
    np.testing.assert_array_equal(before, folds[0][0])
    np.testing.assert_array_equal(validate, same)
    assert len(half) == len(before) // 2
    assert set(third) < set(half) < set(before)
    assert (np.diff(half) > 0).all()
    assert len(set(np.diff(half))) > 1, "drawn, not every second row"


def test_a_first_round_with_too_few_rows_is_refused() -> None:
    folds = time_folds(TIMES, MATURITY, 1)
    with pytest.raises(DataError, match="remove halving") as caught:
        subsampled(folds, 1 + len(folds[0][0]) // FEWEST_ROWS, 7)
    assert caught.value.where == "estimator.search.halving, with folds: 1"
