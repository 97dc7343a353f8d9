"""The X-learner: predicted effects of entities, from regressions of any library."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from sklearn.ensemble import HistGradientBoostingRegressor

from pipelines.core.arrays import Floats, Mask

if TYPE_CHECKING:
    from collections.abc import Sequence

PredictEffect = Callable[[Floats], Floats]  # features of shape (n, k) to effects of shape (n,)
PROPENSITY = 0.5  # of two arms of equal size: known, so it is not estimated


def x_learner(
    features: Floats,
    challenger: Mask,
    outcome: Floats,
    *,
    seed: int = 0,
    regression: Callable[[], Any] | None = None,
) -> PredictEffect:
    """Fit an X-learner on two randomised arms of equal size.

    Each arm's regression predicts what the entities of the other arm would have had. The difference
    from what they had is an effect with noise; a second regression in each arm smooths it. The
    prediction weighs both by the known propensity of one half.

    Arguments:
        features: from before the entities entered their arms, shape (n, k).
        challenger: whether the entity is in the challenger arm, shape (n,).
        outcome: more is better, shape (n,).
        seed: of the regressions.
        regression: makes a scikit-learn regression; default: boosted trees of depth 2.

    Source: Künzel, Sekhon, Bickel, Yu (2019), PNAS 116, equations 8 and 9.
    """
    make = regression or (lambda: _shallow_trees(seed))
    arms: Sequence[Mask] = (challenger, ~challenger)
    response = [make().fit(features[arm], outcome[arm]) for arm in arms]
    imputed = (
        outcome[challenger] - response[1].predict(features[challenger]),
        response[0].predict(features[~challenger]) - outcome[~challenger],
    )
    effect = [make().fit(features[arm], one) for arm, one in zip(arms, imputed, strict=True)]

    def predict(other: Floats) -> Floats:
        mine, theirs = (one.predict(other) for one in effect)
        found: Floats = PROPENSITY * theirs + (1 - PROPENSITY) * mine
        return found

    return predict


def _shallow_trees(seed: int) -> Any:
    """Boosted trees that fit few interactions: effects are small beside the noise."""
    return HistGradientBoostingRegressor(
        max_depth=2, max_iter=60, learning_rate=0.08, min_samples_leaf=25, random_state=seed
    )
