"""Where recipes are fitted on a sample, an audit reads it and counts all rows."""

from __future__ import annotations

from functools import cache

import numpy as np
import pandas as pd
import pytest

from pipelines.gates.audit.population_shift import PopulationShift
from pipelines.spec.model import ModelSpec
from pipelines.training.fit import fit
from pipelines.training.row_sets import SIDES, AuditData, Side
from pipelines.training.sample import limited_rows
from pipelines.training.score import score
from tests.trap.order_size import audit_data, declare

LIMIT = 1000
CLASSIFIER_ROWS = 2000


def with_limit(spec: ModelSpec, most: int) -> ModelSpec:
    return spec.model_copy(update={"split": spec.split.model_copy(update={"max_rows": most})})


@cache
def trimmed(most: int | None = None) -> AuditData:
    """The candidate leaves large prescriptions out of its rows; both are fitted on a sample."""
    old, new = declare(), declare(where=({"column": "quantity", "at_most": 3},))
    if most is not None:
        old, new = with_limit(old, most), with_limit(new, most)
    return audit_data(old, new)


@pytest.mark.parametrize("side", SIDES)
def test_the_rows_that_are_fitted_on_are_read(side: Side) -> None:
    whole, found = trimmed(), trimmed(LIMIT)
    every, rows, arm = whole.training[side], found.training[side], found.arm(side)
    assert len(rows) < len(every)
    pd.testing.assert_frame_equal(rows, every.iloc[rows.index], check_index_type=False)
    labelled = rows[rows["label"].notna()]
    assert len(labelled) == LIMIT
    wanted = limited_rows(arm.spec, arm.view(every[every["label"].notna()]))
    assert list(labelled.index) == list(wanted.index)
    live = arm.view(found.live)
    one, other = (
        score(fit(arm.spec, arm.view(from_rows), 1).pipeline, arm.spec, live).predictions
        for from_rows in (every, rows)
    )
    assert np.array_equal(one, other)


def test_all_rows_are_counted_and_the_sample_is_described() -> None:
    whole, found = (PopulationShift(data, CLASSIFIER_ROWS) for data in (trimmed(), trimmed(LIMIT)))
    assert found.facts() == whole.facts()
    for one, other in zip(found.movements(), whole.movements(), strict=True):
        counts = {"left_rows", "left_share", "entered_rows", "entered_share", "population"}
        assert one.model_dump(include=counts) == other.model_dump(include=counts)
        assert one.left.startswith("quantity above 3")
    assert {len(rows) for name, rows in found.frames.items() if name.endswith("training")} == {
        len(found.data.training[side]) for side in SIDES
    }


def test_a_limit_that_is_not_reached_changes_nothing() -> None:
    whole, found = trimmed(), trimmed(10**6)
    assert not found.spans
    for side in SIDES:
        pd.testing.assert_frame_equal(found.training[side], whole.training[side])
    assert found.recent.keys() == whole.recent.keys()
    for place, rows in found.recent.items():
        pd.testing.assert_frame_equal(rows, whole.recent[place])
