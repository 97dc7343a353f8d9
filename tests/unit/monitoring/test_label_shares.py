"""Shares of the classes before their labels have arrived."""

import numpy as np
import pandas as pd
import pytest

from pipelines.drift.profile import reference_profile
from pipelines.drift.version_profile import LABEL
from pipelines.monitoring.label_shares import label_shares


def test_shares_are_estimated_from_predictions() -> None:
    rng = np.random.default_rng(1)
    trained = pd.DataFrame(
        {"decision_time": pd.Timestamp("2026-01-05"), LABEL: np.repeat([0, 1], [900, 100])}
    )
    profile = reference_profile(trained, [LABEL], [LABEL])
    positive = rng.random(4000) < 0.3
    odds = np.exp(4 * (rng.normal(positive, 0.5) - 0.5)) / 9  # of a model with 10 % positives
    found = label_shares(profile, ("0", "1"), odds / (1 + odds))
    assert [(one.label, one.before_share) for one in found] == [("0", 0.9), ("1", 0.1)]
    assert found[1].now_share == pytest.approx(0.3, abs=0.03)
    assert label_shares(profile, (), odds) == (), "a regression"
    assert label_shares(profile, ("0", "1"), odds[:29]) == ()
    assert label_shares(profile, ("0", "1", "2"), np.full((40, 3), 1 / 3)) == ()
