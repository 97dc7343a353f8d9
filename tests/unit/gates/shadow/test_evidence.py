"""The latency quantile of the shadow gate."""

import numpy as np
import pytest

from pipelines.gates.shadow.evidence import latency_quantile


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
