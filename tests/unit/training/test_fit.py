"""Fitting: the same twice, refusals by name, and what a first model has to beat."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from pipelines.core.errors import DataError
from pipelines.training.fit import (
    ClassWithoutRows,
    NoMaturedLabel,
    SingleClass,
    TooFewTrainingRows,
    fit,
)
from pipelines.training.score import Scored, rows_digest, score

RANDOM = {
    "path": "sklearn.ensemble.HistGradientBoostingRegressor",
    "parameters": {"max_iter": 20, "max_features": 0.5},
}


def test_the_same_seed_gives_the_same_model_and_another_seed_another(regression, frame, train):
    spec, rows = regression(estimator=RANDOM), frame(train, per_day=20)
    one, again, other = (fit(spec, rows, seed) for seed in (5, 5, 6))
    predictions = [score(fitted.pipeline, spec, rows).predictions for fitted in (one, again, other)]
    assert np.array_equal(predictions[0], predictions[1]), "a seed decides everything"
    assert not np.array_equal(predictions[0], predictions[2]), "seeds differ in this estimator"


def test_rows_without_a_label_are_left_out(regression, frame, train):
    spec, rows = regression(estimator=RANDOM), frame(train, per_day=20)
    unlabelled = rows.assign(label=rows["label"].where(rows.index % 3 > 0))
    fitted = fit(spec, unlabelled, 1)
    same = fit(spec, unlabelled.dropna(subset="label"), 1)
    assert fitted.rows == same.rows == int((rows.index % 3 > 0).sum())
    assert np.array_equal(
        score(fitted.pipeline, spec, rows).predictions, score(same.pipeline, spec, rows).predictions
    )


def test_refusals_have_names(regression, frame, train):
    spec, rows = regression(), frame(train, per_day=10)
    with pytest.raises(NoMaturedLabel):
        fit(spec, rows.assign(label=np.nan), 1)
    with pytest.raises(NoMaturedLabel):
        fit(spec, rows.head(0), 1)
    with pytest.raises(TooFewTrainingRows, match="199 rows"):
        fit(spec, rows.head(199), 1)
    with pytest.raises(SingleClass):
        fit(spec, rows.assign(label=1.0), 1)


def test_labels_that_a_loss_cannot_take_are_explained(regression, frame, train):
    poisson = {"path": RANDOM["path"], "parameters": {"loss": "poisson"}}
    with pytest.raises(DataError, match="poisson"):
        fit(regression(estimator=poisson), frame(train, per_day=10), 1)


def own_row(*classes):
    """The label's declaration with its classes."""
    return {
        "kind": "own_row",
        "column": "answer",
        "known_at": "answered_at",
        "horizon": "2d",
        "delay": "1d",
        "classes": list(classes),
    }


@pytest.mark.parametrize("positive", ["paid", "due"])
def test_of_two_texts_the_second_class_is_positive(classifier, frame, train, positive):
    negative = {"paid": "due", "due": "paid"}[positive]
    by_number, by_text = classifier(), classifier(label=own_row(negative, positive))
    rows = frame(train, per_day=20)
    numbers = rows.assign(label=(rows["label"] > 1).astype(float))
    texts = rows.assign(label=np.where(rows["label"] > 1, positive, negative))
    scored = score(fit(by_text, texts, 1).pipeline, by_text, texts)
    assert scored.classes == (negative, positive)
    assert np.array_equal(
        score(fit(by_number, numbers, 1).pipeline, by_number, numbers).predictions,
        scored.predictions,
    )


def test_texts_without_declared_classes_are_refused(classifier, frame, train):
    rows = frame(train, per_day=20)
    texts = rows.assign(label=np.where(rows["label"] > 1, "paid", "due"))
    with pytest.raises(DataError, match="none of the model's classes") as error:
        fit(classifier(), texts, 1)
    assert "label.classes" in str(error.value)


def test_yes_and_no_are_one_and_zero(classifier, frame, train):
    spec, rows = classifier(), frame(train, per_day=20)
    answers = rows.assign(label=pd.array(rows["label"] > 1, dtype="boolean"))
    numbers = rows.assign(label=(rows["label"] > 1) * 1)
    assert np.array_equal(
        score(fit(spec, answers, 1).pipeline, spec, answers).predictions,
        score(fit(spec, numbers, 1).pipeline, spec, numbers).predictions,
    )


@pytest.mark.parametrize(
    "path",
    [
        "sklearn.ensemble.HistGradientBoostingClassifier",
        "sklearn.linear_model.LogisticRegression",
        "lightgbm.LGBMClassifier",
        "xgboost.XGBClassifier",
    ],
)
def test_of_many_classes_each_has_a_probability(classifier, frame, train, path):
    few = {"max_iter": 100} if path.startswith("sklearn") else {"n_estimators": 10}
    quiet = {"verbosity": -1} if path.startswith("lightgbm") else {}
    spec = classifier(
        label=own_row("low", "mid", "high"),
        estimator={"path": path, "parameters": {**few, **quiet}},
    )
    rows = frame(train, per_day=20)
    rows["label"] = pd.cut(rows["label"], [-np.inf, 0, 2, np.inf], labels=["low", "mid", "high"])
    rows["label"] = rows["label"].astype(str)
    scored = score(fit(spec, rows, 1).pipeline, spec, rows)
    assert scored.predictions.shape == (len(rows), 3)
    assert scored.predictions.sum(axis=1) == pytest.approx(1.0)
    most = np.array(spec.classes)[scored.predictions.argmax(axis=1)]
    assert np.mean(most == rows["label"]) > 0.6, "the columns are in the declared order"
    assert score(fit(spec, rows, 1).pipeline, spec, rows.head(0)).predictions.shape == (0, 3)


def test_a_class_without_a_training_label_is_named(classifier, frame, train):
    spec, rows = classifier(label=own_row("a", "b", "c", "rare")), frame(train, per_day=20)
    with pytest.raises(ClassWithoutRows, match="rare"):
        fit(spec, rows.assign(label=rows["kind"]), 1)
    with pytest.raises(DataError, match="none of the model's classes"):
        fit(classifier(label=own_row("a", "b")), rows.assign(label=rows["kind"]), 1)


def test_the_digest_is_of_keys_times_and_labels(regression, frame, recent):
    spec, rows = regression(), frame(recent, per_day=5)
    digest = rows_digest(spec, rows)
    assert rows_digest(spec, rows.assign(price=0.0)) == digest, "features are not in it"
    assert rows_digest(spec, rows.reset_index(drop=True).set_index("price")) == digest
    later = rows.assign(decision_time=rows["decision_time"] + pd.Timedelta("1us"))
    relabelled = rows.assign(label=rows["label"].where(rows.index != 7))
    renamed = rows.assign(shop=rows["shop"].where(rows.index != 7, "other"))
    for changed in (later, relabelled, renamed, rows.iloc[::-1], rows.iloc[1:]):
        assert rows_digest(spec, changed) != digest


def test_the_digest_does_not_depend_on_how_a_value_is_stored(regression, frame, recent):
    spec, rows = regression(), frame(recent, per_day=5).assign(label=1.0)
    digest = rows_digest(spec, rows)
    coarse = rows.assign(decision_time=rows["decision_time"].astype("datetime64[ns]"))
    others = [
        rows.assign(label=1),
        rows.assign(label=pd.array([1] * len(rows), dtype="Int64")),
        rows.assign(shop=rows["shop"].astype(object)),
        rows.assign(shop=rows["shop"].astype("category")),
        rows.assign(decision_time=rows["decision_time"].dt.tz_localize("UTC")),
        coarse,
    ]
    assert [rows_digest(spec, other) for other in others] == [digest] * len(others)


def test_no_rows_have_no_predictions(regression, frame, train):
    spec, rows = regression(estimator=RANDOM), frame(train, per_day=10)
    scored = score(fit(spec, rows, 1).pipeline, spec, rows.head(0))
    assert isinstance(scored, Scored)
    assert len(scored.predictions) == 0
