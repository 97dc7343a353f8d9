"""The latency quantile and the slices of the shadow gate."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest

from pipelines.gates.recent_window.slices import slice_values
from pipelines.gates.shadow.evidence import latency_quantile, slice_agreements
from pipelines.outcomes.log import EntityLog
from pipelines.spec.model import ModelSpec
from tests.support.pharmacy import RICH, declaration


@pytest.mark.parametrize(
    ("rows", "value", "low", "high"),
    [
        (1, 1.001, 1.001, 1.001),
        (20, 3.82, 2.004, 3.82),
        (500, 7.392, 6.467, 12.641),
        (5000, 10.142, 9.688, 11.041),
    ],
)
def test_a_latency_quantile_and_its_bounds_are_order_statistics(
    rows: int, value: float, low: float, high: float
) -> None:
    """Bounds of David and Nagaraja (2003), section 7.1; with few rows the extremes."""
    rng = np.random.default_rng(7)
    samples = {n: np.round(rng.lognormal(size=n), 3) for n in (1, 20, 500, 5000)}
    found = latency_quantile(samples[rows])
    assert (found.value, found.low, found.high) == (value, low, high)


@pytest.mark.parametrize(
    ("bins", "names"),
    [(None, {"6", "7", "8.5", "missing"}), (2, {"bin_1_of_2", "bin_2_of_2", "missing"})],
)
def test_slices_have_the_names_of_the_recent_window(bins: int | None, names: set[str]) -> None:
    """There, a column with missing values holds whole numbers as floats."""
    sold = [7.0, 6.0, 7.0, None, 8.5] * 30
    part = {"column": "sold", "margin": 0.1, "minimum_rows": 30, "bins": bins}
    spec = ModelSpec.model_validate(declaration(RICH, slices=[part]))
    rows = pd.DataFrame({"code": 0, "features": [json.dumps({"sold": one}) for one in sold]})
    log = EntityLog(rows, pd.DataFrame({"pharmacy": ["p1"], "medicine": ["m1"]}))
    found = {one.value for one in slice_agreements(spec, log, np.zeros(len(sold)), None)}
    assert found == names == set(slice_values(spec.slices[0], pd.Series(sold)))
