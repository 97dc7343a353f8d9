"""The causal forest of EconML, an optional dependency: ``pip install gauntlet[effects]``."""

from __future__ import annotations

from importlib import import_module
from importlib.util import find_spec

import numpy as np
from sklearn.dummy import DummyClassifier
from sklearn.ensemble import HistGradientBoostingRegressor

from pipelines.causal.x_learner import PredictEffect
from pipelines.core.arrays import Floats, Mask
from pipelines.core.errors import SpecError
from pipelines.stats.undefined import TooFewEntities

FEWEST = 2000  # entities to fit on: below, a forest follows the noise
SEEDS = 3  # whose predictions are averaged: a forest varies with its seed
TREES = 200


def causal_forest(
    features: Floats,
    challenger: Mask,
    outcome: Floats,
    *,
    seed: int = 0,
    fewest: int = FEWEST,
) -> PredictEffect:
    """Fit a causal forest on two randomised arms of equal size.

    The known propensity of one half is given, not estimated; the outcome's regression is
    cross-fitted. The predictions of three seeds are averaged.

    Arguments:
        features: from before the entities entered their arms, shape (n, k).
        challenger: whether the entity is in the challenger arm, shape (n,).
        outcome: more is better, shape (n,).
        seed: the first of the three.
        fewest: entities below which it refuses.

    Raises:
        SpecError: EconML is not installed.
        TooFewEntities: there are fewer entities than that.

    Source: Athey, Tibshirani, Wager (2019), Annals of Statistics 47, by EconML's
    ``CausalForestDML``.
    """
    if find_spec("econml") is None:
        raise SpecError(
            "the causal forest needs EconML",
            wanted="the optional dependencies `effects`",
            hint="`pip install 'gauntlet[effects]'`, or use the learner x-learner",
        )
    if len(outcome) < fewest:
        raise TooFewEntities(
            "too few entities for a causal forest",
            got=f"{len(outcome)} to fit on",
            wanted=f"{fewest}",
            hint="use the learner x-learner",
        )
    forest_class = import_module("econml.dml").CausalForestDML
    forests = [
        forest_class(
            model_y=HistGradientBoostingRegressor(max_depth=3, max_iter=60, random_state=one),
            model_t=DummyClassifier(strategy="uniform"),
            discrete_treatment=True,
            n_estimators=TREES,
            min_samples_leaf=20,
            max_samples=0.4,
            cv=3,
            n_jobs=1,
            random_state=one,
        )
        for one in range(seed, seed + SEEDS)
    ]
    for forest in forests:
        forest.fit(outcome, challenger.astype(np.int64), X=features)

    def predict(other: Floats) -> Floats:
        found: Floats = np.mean([forest.effect(other).ravel() for forest in forests], axis=0)
        return found

    return predict
