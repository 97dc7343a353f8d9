"""Features as input of an estimator, without the copies that large frames have no room for."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from pipelines.training.columns import feature_matrix, labelled_rows


@pytest.mark.parametrize("dtype", ["str", "object"])
def test_equal_texts_are_one_object_and_missing_ones_are_nan(regression, frame, train, dtype):
    rows = frame(train, per_day=10)
    texts = rows["kind"].astype(object).where(rows.index % 4 > 0, None)
    column = feature_matrix(regression(), rows.assign(kind=texts.astype(dtype)))["kind"]
    assert column.dtype == object
    known = [value for value in column if isinstance(value, str)]
    assert known == [text for text in texts if text is not None], "other texts, or another order"
    assert len({id(value) for value in known}) == len(set(known)), "equal texts are copies"
    missing = column[column.isna()]
    assert len(missing) == len(rows) - len(known)
    assert all(isinstance(value, float) and np.isnan(value) for value in missing)


def test_rows_are_copied_only_where_one_has_no_label(frame, train):
    rows = frame(train, per_day=2)
    assert labelled_rows(rows) is rows
    lacking = rows.assign(label=rows["label"].where(rows.index > 0))
    pd.testing.assert_frame_equal(labelled_rows(lacking), lacking.iloc[1:])
