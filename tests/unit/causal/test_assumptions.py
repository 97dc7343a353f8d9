from __future__ import annotations

from dataclasses import replace

import numpy as np

from pipelines.causal.assumptions import balance_check, outcome_check, sample_ratio_check
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
