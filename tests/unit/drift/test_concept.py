"""A rise of daily losses that lasts; one that has ended is none."""

from __future__ import annotations

import numpy as np

from pipelines.core.arrays import Floats
from pipelines.drift.concept import false_alarm_rate, lasting_rise


def days(number: int) -> Floats:
    return np.tile([9.0, 11.0], number // 2)


USUAL = days(28)


def test_a_rise_that_has_ended_is_no_lasting_rise() -> None:
    risen = np.full(10, 13.0)
    assert lasting_rise(USUAL, risen) == 0
    assert lasting_rise(USUAL, np.r_[risen, days(120)]) is None


def test_a_rise_after_usual_days_has_to_last_as_well() -> None:
    before, risen = days(20), np.full(8, 13.0)
    assert lasting_rise(USUAL, np.r_[before, risen]) == 19
    assert lasting_rise(USUAL, np.r_[before, risen, days(40)]) is None


def test_a_second_rise_counts_from_where_it_began() -> None:
    after = np.r_[np.full(3, 13.0), days(200), np.full(9, 13.0)]
    assert lasting_rise(USUAL, after) == 202


def test_a_week_of_the_reference_that_rises_is_a_false_alarm() -> None:
    assert false_alarm_rate(USUAL) == 0.0
    assert false_alarm_rate(np.r_[days(14), np.full(7, 13.0), USUAL[:7]]) == 0.25
    assert false_alarm_rate(USUAL[:20]) is None, "13 days are too few to compare with"
