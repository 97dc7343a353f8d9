"""Reports of effects of simulated arms."""

from __future__ import annotations

from datetime import UTC, datetime

import numpy as np

from pipelines.causal.average import average_effect
from pipelines.causal.groups import family_tests, group_effects
from pipelines.causal.learner import Learner
from pipelines.causal.report import EffectsReport, FoundEffects, MetricEffect
from pipelines.flows.effects.search import search_groups
from tests.support.effects.simulated_arms import ArmsWorld, draw_arms

BEGAN, AS_OF = datetime(2026, 3, 2, tzinfo=UTC), datetime(2026, 4, 2, tzinfo=UTC)


def report(world: ArmsWorld, *, lower: bool = False, **changes: object) -> EffectsReport:
    drawn = draw_arms(world, np.random.default_rng(1))
    groups = group_effects(drawn.arms, drawn.groups, minimum=20)
    outcome = MetricEffect(
        metric="error" if lower else "gain",
        higher_is_better=not lower,
        plain=average_effect(drawn.arms, covariates=False),
        adjusted=average_effect(drawn.arms, covariates=True),
    )
    found = {
        "model": "demand",
        "version": "5",
        "against": "4",
        "arms": "canary",
        "as_of": AS_OF,
        "began": BEGAN,
        "ended": AS_OF,
        "stopped_early": False,
        "assumptions": (),
        "outcome": outcome,
        "others": (),
        "declared": groups,
        "declared_tests": family_tests(groups),
    }
    return EffectsReport.model_validate(found | changes)


def searched(world: ArmsWorld) -> FoundEffects:
    """What one half of the entities shows on the other."""
    drawn = draw_arms(world, np.random.default_rng(1))
    return search_groups(drawn.arms, drawn.frame, salt="a", minimum=50, learner=Learner.X_LEARNER)
