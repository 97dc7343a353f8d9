"""A model of three classes, from events to a promoted version."""

from __future__ import annotations

import json
from pathlib import Path

import mlflow.pyfunc
import pandas as pd
import pytest

from pipelines.core.errors import SpecError
from pipelines.packaging.fast_predict import interpreted
from pipelines.packaging.version import load_pipeline, read_input_example
from tests.support.pharmacy import FIRST, SECOND, Pharmacy
from tests.unit.spec.test_model import KINDS, kind_of_sale

PHARMACY = ({"kind": "attribute", "name": "pharmacy"},)
ESTIMATOR = {
    "path": "sklearn.ensemble.HistGradientBoostingClassifier",
    "parameters": {"max_iter": 5, "min_samples_leaf": 10},
}


def test_a_first_version_and_its_successor(champion: Pharmacy, tmp_path: Path) -> None:
    pharmacy = Pharmacy(tmp_path / "home", champion.store)
    pharmacy.declare(
        PHARMACY,
        label=kind_of_sale(*KINDS),
        estimator=ESTIMATOR,
        metric={"name": "log_loss", "minimum_effect": 0.01},
        guardrails=[{"name": "accuracy", "margin": 0.05}, {"name": "auc", "margin": 0.05}],
    )
    first = pharmacy.retrain(FIRST)
    assert first.outcome == "first_version", "the candidate knows the pharmacy's kind"
    second = pharmacy.retrain(SECOND)
    assert second.outcome not in ("promoted", "first_version"), "there is nothing to gain"

    folder = pharmacy.home / "registry" / "demand" / "1" / "model"
    example = pd.DataFrame(read_input_example(folder))
    probabilities = mlflow.pyfunc.load_model(str(folder)).predict(example)
    assert probabilities.shape == (len(example), len(KINDS))
    saved = json.loads((folder / "extra_files" / "spec.json").read_text())
    assert saved["label"]["classes"] == KINDS, "the columns are named in the version"
    with pytest.raises(SpecError, match="cannot be served"):
        interpreted(load_pipeline(folder), frozenset({"pharmacy"}), ["pharmacy"])
