"""The interval of a proportion: the numbers of Wilson's formula worked out by hand."""

import pytest

from pipelines.stats.proportion import wilson_interval
from pipelines.stats.undefined import TooFewRows


@pytest.mark.parametrize(
    ("hits", "rows", "level", "low", "high"),
    [
        (0, 10, 0.95, 0.0, 0.2775327998628892),
        (1, 7, 0.95, 0.02567962434474358, 0.5131278292743189),
        (50, 100, 0.95, 0.4038315303659956, 0.5961684696340044),
        (9, 9, 0.9, 0.7688664806802434, 1.0),
        (3, 2514, 0.95, 0.0004059167520698672, 0.0035027720917875475),
        (250, 25141, 0.99, 0.008456359878069603, 0.011690063381379682),
    ],
)
def test_known_intervals(hits: int, rows: int, level: float, low: float, high: float) -> None:
    found = wilson_interval(hits, rows, level)
    assert (found.low, found.high) == pytest.approx((low, high), rel=1e-12, abs=1e-15)
    assert found.level == level


def test_no_rows_have_no_proportion() -> None:
    with pytest.raises(TooFewRows, match="no rows"):
        wilson_interval(0, 0, 0.95)
