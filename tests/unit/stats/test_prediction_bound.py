"""The bound of the next value of a series, and how often a series would have exceeded it."""

import numpy as np
import pytest

from pipelines.stats.prediction_bound import false_alarm_rate, upper_prediction_bound
from pipelines.stats.undefined import TooFewRows


def test_the_next_value_exceeds_the_bound_with_the_stated_probability():
    rng = np.random.default_rng(5)
    series = rng.normal(10, 3, (3_000, 6))
    above = [row[-1] > upper_prediction_bound(row[:-1], 0.05) for row in series]
    assert np.mean(above) == pytest.approx(0.05, abs=4 * np.sqrt(0.05 * 0.95 / len(series)))


def test_one_value_has_no_bound():
    with pytest.raises(TooFewRows):
        upper_prediction_bound(np.array([1.0]), 0.05)


def test_each_value_is_compared_with_the_bound_of_the_others():
    quiet = np.array([1.0, 1.1, 0.9, 1.0, 1.05, 0.95])
    assert false_alarm_rate(quiet, 0.01) == 0.0
    assert false_alarm_rate(np.append(quiet, 3.0), 0.01) == pytest.approx(1 / 7)
    assert false_alarm_rate(quiet[:2], 0.01) is None
