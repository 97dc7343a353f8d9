"""Fitting: the same twice, refusals by name, and what a first model has to beat."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from pipelines.core.errors import DataError, SpecError
from pipelines.training.fit import (
    NoMaturedLabel,
    SingleClass,
    TooFewTrainingRows,
    class_labels,
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


def test_two_texts_are_two_classes_and_the_second_in_order_is_positive(classifier, frame, train):
    spec, rows = classifier(), frame(train, per_day=20)
    numbers = rows.assign(label=(rows["label"] > 1).astype(float))
    texts = rows.assign(label=np.where(rows["label"] > 1, "paid", "due"))
    by_number, by_text = fit(spec, numbers, 1), fit(spec, texts, 1)
    assert class_labels(by_number.pipeline) == by_number.classes == ("0", "1")
    assert by_text.classes == ("due", "paid")
    assert np.allclose(
        score(by_number.pipeline, spec, numbers).predictions,
        score(by_text.pipeline, spec, texts).predictions,
    )


def test_yes_and_no_are_one_and_zero(classifier, frame, train):
    spec, rows = classifier(), frame(train, per_day=20)
    answers = rows.assign(label=pd.array(rows["label"] > 1, dtype="boolean"))
    assert fit(spec, answers, 1).classes == ("0", "1")


def test_more_than_two_classes_are_refused_with_a_way_out(classifier, frame, train):
    rows = frame(train, per_day=20)
    with pytest.raises(SpecError, match="one model for each class"):
        fit(classifier(), rows.assign(label=rows["kind"]), 1)


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
