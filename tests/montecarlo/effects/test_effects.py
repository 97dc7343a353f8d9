"""Effects: coverage, false claims, power and trends. The long form is in docs/proof.md."""

from __future__ import annotations

import numpy as np
import pytest

from tests.montecarlo.effects.rows import HARMED, SMALL, SMALL_MINIMUM
from tests.montecarlo.effects.simulation import MINIMUM, declared, found, slopes, switched
from tests.montecarlo.worlds import REPLICATIONS, lower, upper
from tests.support.effects.simulated_arms import ArmsWorld

FEW = max(20, REPLICATIONS // 10)


@pytest.mark.parametrize(
    ("world", "minimum"),
    [(ArmsWorld(), MINIMUM), (ArmsWorld(ratio=True), MINIMUM), (SMALL, SMALL_MINIMUM)],
)
def test_equal_groups_are_covered_and_rarely_claimed(world: ArmsWorld, minimum: int) -> None:
    result = declared(world, REPLICATIONS, 1, minimum=minimum)
    assert result.groups_covered / result.groups >= lower(0.95, result.groups)
    assert result.average_covered / REPLICATIONS >= lower(0.95)
    assert result.false_claims / REPLICATIONS <= upper(0.05)
    assert result.differ / REPLICATIONS <= upper(0.05)


def test_a_group_that_loses_is_named_as_often_as_promised() -> None:
    result = declared(HARMED, REPLICATIONS, 2)
    assert result.harmed_named / REPLICATIONS >= lower(0.87)
    assert result.false_claims / REPLICATIONS <= upper(0.05)


def test_a_search_among_equal_entities_claims_nothing() -> None:
    result = found(ArmsWorld(effect=0.3), FEW, 3)
    assert result.covered / result.groups >= lower(0.95, result.groups)
    assert result.false_claims / FEW <= upper(0.05, FEW)
    assert result.differ / FEW <= upper(0.05, FEW)
    assert result.rule_better / FEW <= upper(0.025, FEW)


def test_a_search_finds_clear_harm() -> None:
    result = found(ArmsWorld(entities=4000, effect=0.2, harmed=-0.8), FEW, 4)
    for name in ("differ", "rule_better", "harmed_named"):
        assert getattr(result, name) / FEW >= lower(0.9, FEW), name


def test_true_effects_as_predictions_have_slope_one() -> None:
    values, held = slopes(ArmsWorld(effect=0.2, slope=0.5), REPLICATIONS, 5)
    assert abs(values.mean() - 1) <= 3.5 * values.std(ddof=1) / np.sqrt(len(values))
    assert held / REPLICATIONS >= lower(0.95)


@pytest.mark.parametrize(("regions", "alarms"), [(None, 0.05), (40, 0.075)])
def test_parallel_trends_are_rarely_called_different(regions: int | None, alarms: float) -> None:
    results = switched(REPLICATIONS, 6, regions=regions)
    covered = sum(one.interval.low <= 0 <= one.interval.high for one in results)
    assert covered / REPLICATIONS >= lower(0.93)
    assert sum(one.pre_trend_p <= 0.05 for one in results) / REPLICATIONS <= upper(alarms)
