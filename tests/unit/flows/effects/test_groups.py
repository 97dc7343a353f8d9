"""The groups that a declaration names."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from pipelines.flows.effects.groups import declared_groups
from pipelines.gates.recent_window.slices import MOST_VALUES
from pipelines.spec.load import load_model
from pipelines.spec.training import Slice
from tests.support.pharmacy import ROOT


def families(features: pd.DataFrame, *slices: Slice) -> dict[str, dict[str, Any]]:
    """The members of each declared slice, by family and name."""
    declared = load_model(ROOT / "models" / "demand.yaml")
    spec = declared.model_copy(update={"rollout": None, "slices": slices})
    rows: Any = None  # only segments are read from it
    found: dict[str, dict[str, Any]] = {}
    for group in declared_groups(spec, rows, features):
        found.setdefault(group.family, {})[group.name] = group.members.tolist()
    return found


def test_a_slice_divides_entities_by_value_bin_and_lack_of_one():
    features = pd.DataFrame({"kind": ["a", None, "b $x$"], "size": [1.0, 2.0, np.nan]})
    found = families(
        features, Slice(column="kind", margin=1), Slice(column="size", margin=1, bins=2)
    )
    assert found == {
        "kind": {
            "kind = a": [True, False, False],
            "kind = b $x$": [False, False, True],
            "kind = missing": [False, True, False],
        },
        "size": {
            "size = bin_1_of_2": [True, False, False],
            "size = bin_2_of_2": [False, True, False],
            "size = missing": [False, False, True],
        },
    }


def test_of_many_values_those_with_the_most_entities_count():
    shops = ["busy", "busy", *(f"shop {at}" for at in range(3 * MOST_VALUES))]
    found = families(pd.DataFrame({"shop": shops}), Slice(column="shop", margin=1))
    assert len(found["shop"]) == MOST_VALUES
    assert found["shop"]["shop = busy"][:3] == [True, True, False]


def test_a_column_that_is_not_known_before_makes_no_groups():
    assert families(pd.DataFrame({"kind": ["a"]}), Slice(column="other", margin=1)) == {}
