from __future__ import annotations

import numpy as np
import pandas as pd

from pipelines.causal.features import entity_features


def test_each_type_of_column_becomes_numbers_with_names():
    frame = pd.DataFrame(
        {
            "shop": [f"shop {at}" for at in range(100)],  # a key: as many values as rows
            "kind": ["small"] * 60 + ["large"] * 38 + ["rare"] * 1 + [None],
            "open": [True, False] * 50,
            "size": [1.0, np.nan, *range(98)],
            "same": 7.0,
            "lost": np.nan,
        }
    )
    found = entity_features(frame)
    assert found.names == (
        "kind is unknown",
        "kind = large",
        "kind = small",
        "open",
        "size is unknown",
        "size",
    )
    assert found.flags == (True, True, True, True, True, False)
    assert np.isfinite(found.values).all()
    assert found.values[1, 5] == np.nanmedian(frame["size"])
    assert found.values[:, 2].sum() == 60
    assert len(found.select(np.arange(100) < 10).values) == 10


def test_an_infinite_number_is_unknown():
    found = entity_features(pd.DataFrame({"rate": [1.0, 3.0, np.inf, -np.inf, 2.0]}))
    assert found.names == ("rate is unknown", "rate")
    assert found.values.T.tolist() == [[0, 0, 1, 1, 0], [1, 3, 2, 2, 2]]


def test_without_columns_there_are_no_features():
    assert entity_features(pd.DataFrame({"lost": [np.nan] * 5})).values.shape == (5, 0)
