"""The gain corrected for having passed, against simulation from its definition."""

import numpy as np
import pytest

from pipelines.stats.post_selection import gain_given_passed


@pytest.mark.parametrize("truth", [1.5, 3.0, 4.5])
def test_half_of_the_gains_that_pass_are_corrected_to_above_the_truth(truth):
    """Of 1,000 passing estimates with a median-unbiased correction, 500 +- 4 sqrt(250)."""
    rng = np.random.default_rng(int(truth * 10))
    drawn = truth + rng.normal(size=100_000)
    passed = drawn[drawn > 3.0][:1000]
    assert len(passed) == 1000
    corrected = np.array([gain_given_passed(one, 1.0, 3.0) for one in passed])
    above = int(np.sum(corrected > truth))
    assert abs(above - 500) < 4 * np.sqrt(250), f"{above} of 1,000 lie above {truth}"
    naive = int(np.sum(passed > truth))
    assert abs(above - 500) <= abs(naive - 500) + 4 * np.sqrt(250)


def test_a_gain_that_barely_passed_may_be_nothing():
    assert gain_given_passed(3.05, 1.0, 3.0) == 0.0


def test_a_gain_far_beyond_the_bar_is_believed():
    assert gain_given_passed(12.0, 1.0, 3.0) == pytest.approx(12.0, abs=1e-6)


def test_the_unit_does_not_matter():
    assert gain_given_passed(350.0, 100.0, 3.0) == pytest.approx(
        100 * gain_given_passed(3.5, 1.0, 3.0)
    )


def test_what_did_not_pass_has_no_such_gain():
    with pytest.raises(ValueError, match="do not exceed"):
        gain_given_passed(2.9, 1.0, 3.0)
