from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scipy.stats import binom

from pipelines.causal.arms import Arms
from pipelines.causal.assumptions import (
    ALPHA,
    balance_check,
    outcome_check,
    sample_ratio_check,
)
from tests.support.effects.simulated_arms import ArmsWorld, draw_arms

ARMS = draw_arms(ArmsWorld(), np.random.default_rng(10)).arms


def test_randomised_arms_pass_every_check():
    assert sample_ratio_check(ARMS.challenger, ARMS.stage).holds
    assert balance_check(ARMS).holds
    assert "are not shown to differ between the arms" in balance_check(ARMS).reason
    assert outcome_check(ARMS.challenger, np.ones(2000, bool)).holds


def test_each_check_finds_its_own_violation():
    lost = ~(ARMS.challenger & (np.arange(2000) % 4 == 0))
    assert not sample_ratio_check(ARMS.challenger[lost], ARMS.stage[lost]).holds
    assert not outcome_check(ARMS.challenger, lost).holds
    moved = replace(ARMS, covariates=ARMS.covariates + 0.3 * ARMS.challenger[:, None])
    unequal = balance_check(moved)
    assert not unequal.holds
    assert "differ between the arms" in unequal.reason


def test_without_covariates_balance_cannot_be_checked():
    assert balance_check(replace(ARMS, covariates=np.zeros((2000, 0)))).holds is None
    assert balance_check(replace(ARMS, covariates=np.ones((2000, 1)))).holds is None


def test_a_covariate_that_does_not_vary_is_not_taken_for_a_difference():
    """The mean of 0.1 over one arm differs from that over the other in the last digit."""
    same = np.full((2000, 1), 0.1)
    assert balance_check(replace(ARMS, covariates=same)).holds is None
    by_stage = np.where(ARMS.stage[:, None] == 0, 0.1, 1 / 3)
    assert balance_check(replace(ARMS, covariates=by_stage)).holds is None
    alone = balance_check(ARMS)
    alongside = balance_check(replace(ARMS, covariates=np.hstack([ARMS.covariates, same])))
    assert alongside == alone


def test_a_covariate_that_has_another_value_in_each_arm_is_not_alike():
    flags = ARMS.challenger[:, None].astype(float)
    assert balance_check(replace(ARMS, covariates=flags)).holds is False


def test_too_few_entities_leave_balance_open():
    few = ARMS.select(np.arange(2000) < 8)
    many = replace(few, covariates=np.random.default_rng(4).normal(size=(8, 7)))
    found = balance_check(many)
    assert found.holds is None
    assert "too few" in found.reason


@pytest.mark.parametrize("entities", [20, 60])
def test_balance_of_few_entities_is_refused_as_rarely_as_promised(entities: int):
    """The chi-squared of large samples would refuse 7 % of 20 entities, at 1 %."""
    rng, tries = np.random.default_rng(17), 1000
    refused = 0
    for _ in range(tries):
        arms = Arms(
            challenger=rng.permutation(np.arange(entities) % 2 == 0),
            stage=np.zeros(entities, int),
            value=np.zeros(entities),
            weight=None,
            covariates=rng.normal(size=(entities, 4)),
            higher_is_better=True,
        )
        refused += balance_check(arms).holds is False
    assert binom.sf(refused - 1, tries, ALPHA) > 1e-3, refused
