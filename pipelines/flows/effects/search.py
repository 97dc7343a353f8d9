"""Groups that no declaration names: found on one half of the entities, measured on the other."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np

from pipelines.causal.arms import Arms
from pipelines.causal.causal_forest import causal_forest
from pipelines.causal.features import entity_features
from pipelines.causal.found_groups import find_groups
from pipelines.causal.groups import group_effects
from pipelines.causal.heterogeneity import heterogeneity
from pipelines.causal.learner import Learner
from pipelines.causal.report import FoundEffects
from pipelines.causal.targeting import targeting
from pipelines.causal.x_learner import PredictEffect, x_learner
from pipelines.core.arrays import Floats, Mask
from pipelines.stats.undefined import TooFewEntities

if TYPE_CHECKING:
    import pandas as pd

_Fit = Callable[[Floats, Mask, Floats], PredictEffect]
_LEARNERS: dict[Learner, _Fit] = {
    Learner.X_LEARNER: x_learner,
    Learner.CAUSAL_FOREST: causal_forest,
}
_ROOM = 1.25  # more entities in a found group than it needs: the other half has not as many


def search_groups(
    arms: Arms, features: pd.DataFrame, *, salt: str, minimum: int, learner: Learner
) -> FoundEffects:
    """Fit a model of effects on half of the entities, and measure its groups on the other half.

    Arguments:
        arms: the entities.
        features: what is known of each before it entered its arm.
        salt: of the rollout; it divides the entities, so that the same data give the same halves.
        minimum: entities that a group needs in each arm.
        learner: the model of effects.

    Raises:
        TooFewEntities: the halves are too small for two groups.
        Undefined: the outcome does not vary on a half, or a ratio has no value there.
        SpecError: the learner needs a library that is not installed.
    """
    fitted = _half(arms, salt)
    for half in (fitted, ~fitted):
        counts = [int((half & (arms.challenger == arm)).sum()) for arm in (True, False)]
        if min(counts) < 2 * minimum:
            raise TooFewEntities(
                "too few entities to search for groups",
                got=f"{counts[0]} and {counts[1]} in the arms of one half",
                wanted=f"{2 * minimum} in each, twice rollout.canary.minimum_entities",
            )
    matrix, other = entity_features(features), arms.select(~fitted)
    mine, theirs = matrix.select(fitted), matrix.select(~fitted)
    predict = _LEARNERS[learner](mine.values, arms.challenger[fitted], arms.select(fitted).units())
    predicted = predict(theirs.values)
    found = find_groups(mine, predict(mine.values), fewest=int(2 * minimum * _ROOM))
    return FoundEffects(
        learner=learner,
        fitted=int(fitted.sum()),
        groups=group_effects(other, found.groups(theirs), minimum=minimum),
        heterogeneity=heterogeneity(other, predicted, minimum=minimum),
        targeting=targeting(other, predicted),
    )


def _half(arms: Arms, salt: str) -> Mask:
    """Half of the entities of each arm and stage, drawn by the salt."""
    seed = int.from_bytes(hashlib.sha256(f"halves\n{salt}".encode()).digest()[:8])
    order = np.random.default_rng(seed).permutation(len(arms.challenger))
    half = np.zeros(len(order), np.bool_)
    for stage in np.unique(arms.stage):
        for arm in (True, False):
            members = order[(arms.stage == stage)[order] & (arms.challenger == arm)[order]]
            half[members[: len(members) // 2]] = True
    return half
