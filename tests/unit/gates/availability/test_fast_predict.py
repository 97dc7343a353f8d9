"""Registration records which form of a pipeline serves, and why."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from sklearn.base import BaseEstimator
from sklearn.compose import ColumnTransformer
from sklearn.ensemble import HistGradientBoostingRegressor
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import OneHotEncoder, OrdinalEncoder
from sklearn.tree import DecisionTreeRegressor

from pipelines.core.findings import Finding, Verdict
from pipelines.gates.availability.fast_predict import fast_predict_finding, recorded_verdict
from pipelines.packaging.version import FINDINGS, SavedFindings, evidence_path, record_bytes

TEXTS = frozenset({"shop"})
UNKNOWN = {"handle_unknown": "use_encoded_value", "unknown_value": -1}


def rows() -> pd.DataFrame:
    """Four shops, of which two are rare, and a number with gaps that matters."""
    rng = np.random.default_rng(5)
    age = np.where(rng.random(300) < 0.1, np.nan, rng.normal(size=300))
    shop = rng.choice(["a", "b", "c", "d"], 300, p=[0.46, 0.04, 0.46, 0.04])
    return pd.DataFrame({"shop": shop.astype(object), "age": age})


def fitted(encoder: BaseEstimator, estimator: BaseEstimator | None = None) -> Pipeline:
    prepare = ColumnTransformer(
        [("categories", encoder, ["shop"]), ("numbers", "passthrough", ["age"])],
        sparse_threshold=0,
    )
    found = rows()
    label = found["age"].fillna(0) + found["shop"].map({"a": 0.0, "b": 50.0, "c": 5.0, "d": 90.0})
    last = estimator or HistGradientBoostingRegressor(max_iter=5)
    return Pipeline([("prepare", prepare), ("estimator", last)]).fit(found, label)


def test_equal_to_the_last_bit_is_compiled() -> None:
    found = fast_predict_finding(fitted(OrdinalEncoder(**UNKNOWN)), TEXTS, rows())
    assert (found.verdict, found.value, found.threshold) == (Verdict.PASS, 0.0, 0.0)
    assert "the compiled form serves" in found.reason
    assert found.rows is not None
    assert found.rows > 200, "real rows, and odd ones made of some of them"
    assert not found.blocking


def test_a_form_that_differs_leaves_the_pipeline_itself() -> None:
    """Rare categories share one code here, which the compiled form does not know."""
    rare = OrdinalEncoder(**UNKNOWN, min_frequency=30)
    found = fast_predict_finding(fitted(rare, DecisionTreeRegressor(random_state=1)), TEXTS, rows())
    assert found.verdict is Verdict.FAIL
    assert found.reason.startswith("the pipeline itself serves: its compiled form differs by up to")
    assert found.value is not None
    assert found.value > 1e-3, "the shops differ by far more"
    assert not found.blocking, "both forms answer: this costs time, and nothing else"


def test_a_form_that_is_unknown_is_no_comparison() -> None:
    hot = OneHotEncoder(handle_unknown="ignore", sparse_output=False)
    found = fast_predict_finding(fitted(hot), TEXTS, rows())
    assert (found.verdict, found.value, found.rows) == (Verdict.NO_DATA, None, None)
    assert "the pipeline itself serves" in found.reason


def write(folder: Path, *findings: Finding) -> None:
    path = evidence_path(folder, FINDINGS)
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(record_bytes(FINDINGS, SavedFindings(findings=findings)))


@pytest.mark.parametrize("verdict", [Verdict.PASS, Verdict.FAIL])
def test_what_was_found_is_read_from_the_evidence(tmp_path: Path, verdict: Verdict) -> None:
    found = fast_predict_finding(fitted(OrdinalEncoder(**UNKNOWN)), TEXTS, rows())
    write(tmp_path, found.model_copy(update={"verdict": verdict}))
    assert recorded_verdict(tmp_path) is verdict


def test_a_version_from_before_is_not_judged(tmp_path: Path) -> None:
    assert recorded_verdict(tmp_path) is None
    write(tmp_path)
    assert recorded_verdict(tmp_path) is None
