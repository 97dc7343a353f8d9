"""``check`` says ready only if a retraining as of the same instant reaches its comparison.

One small world, many declarations of it. A declaration that cannot work is named by ``check``; of
one that is ready, the retraining does not stop for a reason that was known before.
"""

from __future__ import annotations

import dataclasses
import shutil
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from sklearn.dummy import DummyRegressor
from sklearn.pipeline import Pipeline

from pipelines.connections import Connections
from pipelines.core.errors import IntegrityError
from pipelines.core.findings import Verdict
from pipelines.flows.frames import FRAME, read_rows
from pipelines.flows.retrain.dataset import build_features, take_snapshot
from pipelines.flows.retrain.rehearsal import rehearse_fitted
from pipelines.flows.retrain.request import Request
from pipelines.flows.retrain.run import Run, open_run
from pipelines.flows.retrain.steps import Retraining
from pipelines.flows.trial import try_training
from pipelines.flows.workspace import Workspace
from pipelines.spec.model import ModelSpec
from pipelines.training.columns import feature_matrix
from pipelines.training.fit import label_numbers
from pipelines.training.split import split_plan
from tests.support.own_code import GUESS
from tests.support.sales_home import (
    AS_OF,
    START,
    SalesHome,
    connections_to,
    declaration,
    rows,
)


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Connections:
    """The events, and connections that read them."""
    return connections_to(rows(), tmp_path_factory.mktemp("sales"), AS_OF + timedelta(days=1))


@pytest.fixture
def home(tmp_path: Path, shared: Connections) -> SalesHome:
    return SalesHome(tmp_path, shared)


def with_estimator(path: str, **parameters: Any) -> dict[str, Any]:
    return {"estimator": {"path": path, "parameters": parameters}}


def with_expectations(*expectations: dict[str, Any]) -> dict[str, Any]:
    return {"suite": {"name": "sales", "expectations": list(expectations)}}


def label_of_kind(kind: str) -> dict[str, Any]:
    return {"label": declaration()["label"] | {"where": [{"column": "kind", "is": kind}]}}


HIGH_MAXIMUM = {
    "type": "expect_column_max_to_be_between",
    "kwargs": {"column": "units", "max_value": 1},
}
NEVER = declaration()["features"][1] | {
    "name": "never",
    "aggregate": "mean",
    "where": [{"column": "kind", "is": "z"}],
}
BAD: dict[str, tuple[dict[str, Any], tuple[str, ...]]] = {
    "a misspelt estimator and too few rows": (
        with_estimator("sklearn.linear_model.Rigde")
        | {"gates": {"recent_window": {"minimum_rows": 100_000}}},
        ("too few training rows", "Rigde"),
    ),
    "an empty suite and a misspelt estimator": (
        with_expectations() | with_estimator("sklearn.linear_model.Rigde"),
        ("contract.suite.empty", "Rigde"),
    ),
    "an expectation that fails and a feature that is always missing": (
        with_expectations(HIGH_MAXIMUM) | {"features": [*declaration()["features"], NEVER]},
        ("contract.suite.sales.units", "feature never is missing"),
    ),
    "labels that are all equal": (label_of_kind("z"), ("all training labels are equal",)),
    "labels that the loss does not take": (
        label_of_kind("a") | with_estimator("sklearn.linear_model.GammaRegressor"),
        ("sklearn.linear_model.GammaRegressor",),
    ),
}


@pytest.mark.parametrize(("changes", "words"), BAD.values(), ids=BAD)
def test_what_would_end_a_retraining_is_a_problem(
    home: SalesHome, changes: dict[str, Any], words: tuple[str, ...]
) -> None:
    home.declare(**changes)
    problems = home.check().problems
    for word in words:
        assert any(word in problem for problem in problems), problems


@pytest.fixture(scope="module")
def built(shared: Connections, tmp_path_factory: pytest.TempPathFactory) -> Run:
    """A run of the declaration whose frame has been written."""
    home = SalesHome(tmp_path_factory.mktemp("built"), shared)
    home.declare()
    run = open_run(Request(model="sales", as_of=AS_OF), home.parts)
    build_features(run, take_snapshot(run))
    return run


def own(text: str) -> dict[str, Any]:
    return {"estimator": {"function": "shops:build", "files": {"shops.py": text}}}


NAMELESS = """\
from sklearn.linear_model import LinearRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer

def build():
    return make_pipeline(FunctionTransformer(lambda X: X[["sold"]]), LinearRegression())
"""
LOGISTIC = with_estimator("sklearn.linear_model.LogisticRegression")
LOG_LOSS = {"metric": {"name": "log_loss", "minimum_effect": 0.01}}
WITHOUT_TRAINING = {
    "start": START.isoformat(),
    "end": (AS_OF - timedelta(days=17)).isoformat(),
    "reason": "a test",
}
UNTRAINABLE: dict[str, tuple[dict[str, Any], str]] = {
    "not installed": (with_estimator("catboost.CatBoostRegressor"), "catboost"),
    "no such parameter": (with_estimator("sklearn.linear_model.Ridge", alhpa=1), "alhpa"),
    "no such value": (with_estimator("sklearn.linear_model.Ridge", solver="fast"), "solver"),
    "an exception of a library": (
        with_estimator("lightgbm.LGBMRegressor", objective="sqaured"),
        "the estimator cannot be fitted",
    ),
    "own code that is no estimator": (own("def build():\n    return 1\n"), "returns no estimator"),
    "own code that needs what is not there": (
        own("import shop_library\ndef build(): ...\n"),
        "models/code/shops.py:1",
    ),
    "own code that gives another model each time": (own(GUESS), "two fits with the same seed"),
    "own code that cannot be stored": (own(NAMELESS), "the fitted model cannot be stored"),
    "a classifier for a number": (LOGISTIC, "does not fit the metric"),
    "more than two classes": (LOGISTIC | LOG_LOSS, "none of the model's classes"),
    "a denominator that is no feature": (
        {
            "metric": {
                "name": "scaled_absolute_error",
                "denominator": "last_year",
                "minimum_effect": 0.1,
            }
        },
        "denominator",
    ),
    "training before the first event": ({"split": {"train": "20d", "recent": "50d"}}, "label"),
    "all of training is excluded": (
        {"split": {"train": "28d", "recent": "14d", "exclude": [WITHOUT_TRAINING]}},
        "no training row has a label",
    ),
    "too few days": ({"gates": {"recent_window": {"minimum_days": 20}}}, "14 days, wanted 20"),
    "too few rows": ({"gates": {"recent_window": {"minimum_rows": 5000}}}, "at least 5000"),
}


@pytest.mark.parametrize(("changes", "words"), UNTRAINABLE.values(), ids=UNTRAINABLE)
def test_a_trial_names_what_no_training_survives(
    built: Run, tmp_path: Path, changes: dict[str, Any], words: str
) -> None:
    spec = ModelSpec.model_validate(declaration() | changes)
    shutil.copytree(built.workspace.folder, tmp_path / "run")
    run = dataclasses.replace(
        built,
        spec=spec,
        plan=split_plan(spec, AS_OF),
        workspace=Workspace.open_locked(tmp_path / "run"),
    )
    problems = try_training(run).problems
    assert any(words in problem for problem in problems), problems


def test_a_trial_answers_requests_as_the_service_would(built: Run) -> None:
    rows = read_rows(built.spec, built.workspace.path(FRAME), built.plan.recent)
    known = rows[rows["label"].notna()]
    model = Pipeline([("model", DummyRegressor())])
    with pytest.raises(IntegrityError, match="a service could not answer with this candidate"):
        rehearse_fitted(built, model, rows)
    model.fit(feature_matrix(built.spec, known), label_numbers(known["label"], ()))
    rehearse_fitted(built, model, rows)


def test_one_series_is_compared(home: SalesHome) -> None:
    one = [{"column": "shop", "is": "shop 01"}]
    home.declare(
        points=declaration()["points"] | {"where": one, "every": "6h"},
        gates={"recent_window": {"minimum_days": 7, "minimum_rows": 30}},
    )
    found = home.check()
    assert found.problems == ()
    assert found.detectable is not None
    assert found.detectable.entities == 1
    done = home.retrain()
    [stated] = [f for f in done.findings if f.name == "recent_window.concentration"]
    assert "days as the only noise" in stated.reason
    assert known_before(done) == []
    assert done.evidence.evaluation is not None
    assert done.evidence.evaluation.primary is not None
    assert done.evidence.evaluation.primary.difference is not None


def test_a_budget_that_is_used_up_is_a_problem(home: SalesHome) -> None:
    budget = {"budget": {"tries": 1}, "recent_window": {"minimum_days": 7}}
    home.declare(gates=budget)
    first, second = AS_OF - timedelta(days=8), AS_OF - timedelta(days=1)
    assert home.retrain(first).decision.outcome.moves
    # A changed recipe: refreshes are no tries.
    home.declare(gates=budget, **with_estimator("sklearn.linear_model.Ridge", alpha=2.0))
    assert home.check(second).problems == ()
    assert home.retrain(second).evidence.evaluation is not None
    [problem] = home.check(AS_OF).problems
    assert problem.startswith("budget.exhausted")
    assert home.check(second).problems == (), "this one is decided, and has paid"


def known_before(done: Retraining) -> list[str]:
    """Blocking findings of a retraining that say that something could not be decided at all."""
    return [
        f"{finding.name}: {finding.reason}"
        for finding in done.findings
        if finding.blocking and finding.verdict is Verdict.NO_DATA
    ]


SOLD = """\
from sklearn.base import BaseEstimator, RegressorMixin

class Sold(RegressorMixin, BaseEstimator):
    def fit(self, X, y):
        self.ratio_ = y.sum() / X["sold"].sum()
        return self

    def predict(self, X):
        return X["sold"].fillna(0.0) * self.ratio_

def late(label, prediction):
    return abs(label - prediction) * (1 + (label > prediction))

def level(table):
    return (table.sold.coalesce(0) + 1).ln()
"""
LEVEL = {
    "kind": "expression",
    "name": "level",
    "function": "shops:level",
    "columns": {"sold": "sold"},
}
GOOD: dict[str, dict[str, Any]] = {
    "a regression": {},
    "a search": {
        "estimator": {
            "path": "sklearn.linear_model.Ridge",
            "search": {"parameters": {"alpha": [0.1, 10.0]}, "folds": 2},
        }
    },
    "own code": {
        "estimator": {"function": "shops:Sold"},
        "metric": {"name": "own_error", "function": "shops:late", "minimum_effect": 0.5},
        "features": [*declaration()["features"], LEVEL],
    },
    "a forest": with_estimator("sklearn.ensemble.HistGradientBoostingRegressor", max_iter=5),
}


@pytest.mark.parametrize("changes", GOOD.values(), ids=GOOD)
def test_ready_means_that_the_retraining_compares(home: SalesHome, changes: dict[str, Any]) -> None:
    home.declare(**changes)
    (home.folder / "code").mkdir()
    (home.folder / "code" / "shops.py").write_text(SOLD)
    found = home.check()
    assert found.problems == ()
    assert not list((home.folder / "home").glob("runs/*")), "a check leaves nothing behind"
    done = home.retrain()
    assert done.evidence.evaluation is not None
    assert done.evidence.trained is not None
    searched = {"candidate", "refit"} if "search" in changes.get("estimator", {}) else set()
    assert done.evidence.trained.searches.keys() == searched
    assert known_before(done) == []
    assert found.detectable is not None
    comparison = done.evidence.evaluation.comparisons[0].difference
    assert comparison is not None
    assert found.detectable.against == "naive_forecast"
    assert found.detectable.gain == pytest.approx(
        comparison.minimum_detectable_effect(found.detectable.level), rel=0.5
    )
