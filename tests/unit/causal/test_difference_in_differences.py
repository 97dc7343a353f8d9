from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from pipelines.causal.difference_in_differences import Panel, difference_in_differences
from pipelines.core.errors import DataError
from pipelines.stats.undefined import NoVariation, TooFewEntities

PERIODS, FIRST = 8, 5


def panel(seed: int, *, effect: float = 0.0, drift: float = 0.0, many: int = 200) -> Panel:
    """Entities that switch are larger all the time, and all share the same ups and downs."""
    rng = np.random.default_rng(seed)
    switched = np.arange(many) % 2 == 0
    level = rng.normal(size=many) + 2.0 * switched
    common = np.cumsum(rng.normal(size=PERIODS))
    time = np.arange(PERIODS)
    outcome = level[:, None] + common + rng.normal(size=(many, PERIODS))
    outcome += np.outer(switched, effect * (time >= FIRST) + drift * time)
    return Panel(outcome, switched, FIRST)


def test_levels_and_common_changes_cancel():
    found = difference_in_differences(panel(1, effect=0.8, many=2000))
    assert found.interval.low < 0.8 < found.interval.high
    assert found.p_value < 1e-4
    assert [one.period for one in found.periods] == [-5, -4, -3, -2, 0, 1, 2]
    assert found.assumptions[0].holds is True
    assert found.trend_interval.low < found.interval.low


def test_different_trends_are_found_before_the_switch():
    found = difference_in_differences(panel(2, drift=0.4))
    assert found.p_value < 0.01, "a false effect, which the trend makes"
    assert found.pre_trend_p < 0.01
    assert found.assumptions[0].holds is False
    assert found.trend_interval.low < 0 < found.trend_interval.high


def test_a_lead_as_large_as_the_effect_leaves_it_open():
    found = difference_in_differences(panel(3))
    assert found.pre_trend_p > 0.05
    assert found.assumptions[0].holds is None


def test_entities_of_one_cluster_count_as_one():
    """Ten entities of a cluster with the same values have ten times the variance."""
    one = panel(4, many=40)
    copies = Panel(
        np.repeat(one.outcome, 10, axis=0),
        np.repeat(one.switched, 10),
        FIRST,
        np.repeat(np.arange(40), 10),
    )
    found, alone = difference_in_differences(copies), difference_in_differences(one)
    assert found.clusters == 40
    assert found.standard_error == pytest.approx(alone.standard_error)
    assert found.pre_trend_p == pytest.approx(alone.pre_trend_p)


def test_one_period_before_shows_no_trend():
    whole = panel(5)
    short = difference_in_differences(Panel(whole.outcome[:, 4:], whole.switched, 1))
    assert (short.pre_trend_p, short.trend_interval) == (None, None)
    assert short.assumptions[0].holds is None


def test_a_panel_that_cannot_answer_is_an_error():
    whole = panel(6)
    with pytest.raises(DataError, match="does not show a switch"):
        difference_in_differences(Panel(whole.outcome, whole.switched, 0))
    gaps = whole.outcome.copy()
    gaps[3, 2] = np.nan
    with pytest.raises(DataError, match="1 of 1600 values are missing"):
        difference_in_differences(Panel(gaps, whole.switched, FIRST))
    same = np.tile(np.arange(8.0), (200, 1))
    with pytest.raises(NoVariation):
        difference_in_differences(Panel(same, whole.switched, FIRST))
    with pytest.raises(TooFewEntities):
        difference_in_differences(Panel(whole.outcome, np.arange(200) == 0, FIRST))


def test_a_period_without_a_change_is_left_out_of_the_test_of_trends():
    whole = panel(8, effect=0.8)
    outcome = whole.outcome.copy()
    outcome[:, 1] = outcome[:, FIRST - 1]
    found = difference_in_differences(replace(whole, outcome=outcome))
    without = difference_in_differences(
        Panel(np.delete(whole.outcome, 1, axis=1), whole.switched, FIRST - 1)
    )
    still = found.periods[1]
    assert (still.period, still.value, still.interval) == (-4, 0.0, None)
    assert found.pre_trend_p == pytest.approx(without.pre_trend_p)
    outcome[:, :FIRST] = outcome[:, FIRST - 1 : FIRST]
    flat = difference_in_differences(replace(whole, outcome=outcome))
    assert flat.pre_trend_p is None
    assert flat.assumptions[0].holds is None
    outcome[:, 1] += whole.switched
    with pytest.raises(NoVariation):
        difference_in_differences(replace(whole, outcome=outcome))
