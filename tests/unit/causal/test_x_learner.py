from __future__ import annotations

import numpy as np
from sklearn.linear_model import LinearRegression

from pipelines.causal.features import entity_features
from pipelines.causal.x_learner import x_learner
from tests.support.effects.simulated_arms import ArmsWorld, draw_arms


def test_linear_regressions_give_back_a_linear_effect():
    """With the right regressions, the standard error of slope and mean is about 0.03."""
    drawn = draw_arms(ArmsWorld(entities=5000, effect=0.5, slope=0.4), np.random.default_rng(1))
    features = drawn.features
    predict = x_learner(
        features, drawn.arms.challenger, drawn.arms.units(), regression=LinearRegression
    )
    assert abs(predict(np.zeros((1, 3)))[0] - 0.5) < 0.15
    step = predict(np.array([[1.0, 0, 0]]))[0] - predict(np.zeros((1, 3)))[0]
    assert abs(step - 0.4) < 0.15


def test_trees_rank_the_entities_by_their_true_effects():
    drawn = draw_arms(ArmsWorld(entities=5000, slope=0.5), np.random.default_rng(2))
    values = entity_features(drawn.frame).values
    predict = x_learner(values, drawn.arms.challenger, drawn.arms.units())
    assert np.corrcoef(predict(values), drawn.effect)[0, 1] > 0.8
