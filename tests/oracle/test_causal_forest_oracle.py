"""The causal forest of EconML: known effects, published ones, and the same answer again.

Needs EconML, which ``make effects-test`` has in an environment of its own.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from pipelines.causal.arms import Arms
from pipelines.causal.causal_forest import FEWEST, causal_forest
from pipelines.causal.features import entity_features
from pipelines.causal.groups import Claim
from pipelines.causal.learner import Learner
from pipelines.causal.x_learner import x_learner
from pipelines.flows.effects.search import search_groups
from pipelines.stats.undefined import TooFewEntities
from tests.support.effects.simulated_arms import ArmsWorld, draw_arms

pytest.importorskip("econml", reason="EconML is not installed here: see `make effects-test`")
NSW = Path(__file__).parents[3] / "shared" / "data" / "lalonde_nsw" / "nsw_dw.csv.gz"


def test_a_forest_ranks_entities_as_their_true_effects_do() -> None:
    drawn = draw_arms(ArmsWorld(entities=4000, effect=0.2, slope=0.5), np.random.default_rng(1))
    values = entity_features(drawn.frame).values
    predicted = causal_forest(values, drawn.arms.challenger, drawn.arms.units())(values)
    assert np.corrcoef(predicted, drawn.effect)[0, 1] > 0.9
    again = causal_forest(values, drawn.arms.challenger, drawn.arms.units())(values)
    assert predicted.tolist() == again.tolist()


def test_the_search_finds_the_harmed_kind_with_a_forest() -> None:
    drawn = draw_arms(ArmsWorld(entities=5000, effect=0.3, harmed=-1.2), np.random.default_rng(2))
    found = search_groups(
        drawn.arms, drawn.frame, salt="a", minimum=50, learner=Learner.CAUSAL_FOREST
    )
    claims = {one.name: one.claim for one in found.groups}
    assert claims["kind = kind 0"] is Claim.LOSES
    assert found.heterogeneity.shown


def test_a_small_sample_is_refused() -> None:
    few = FEWEST - 1
    with pytest.raises(TooFewEntities):
        causal_forest(np.zeros((few, 1)), np.arange(few) % 2 == 0, np.zeros(few))


@pytest.mark.real
def test_the_mean_of_predicted_effects_agrees_with_the_published_experiment() -> None:
    """185 trained and 260 others: 1,794 USD (671). The reference forests say 1,622 to 1,890, and
    the reference X-learner 1,479; a forest may be within one standard error."""
    if not NSW.is_file():
        pytest.skip("the real set lalonde_nsw is not in ../shared/data")
    rows = pd.read_csv(NSW)
    columns = ["age", "educ", "black", "hisp", "marr", "nodegree", "re74", "re75"]
    features = rows[columns].to_numpy(np.float64)
    trained, earned = (rows["treat"] == 1).to_numpy(), rows["re78"].to_numpy(np.float64)
    arms = Arms(trained, np.zeros(len(rows), np.int64), earned, None, features, True)
    mean = {
        "forest": causal_forest(features, trained, arms.units(), fewest=400)(features).mean(),
        "x-learner": x_learner(features, trained, arms.units())(features).mean(),
    }
    assert mean == pytest.approx({"forest": 1794.34, "x-learner": 1794.34}, abs=671.0)
