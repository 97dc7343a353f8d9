"""The naive forecast: what a first version has to beat."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from pipelines.training.baseline import PRIOR_LABELS, baseline_predictions

CLASSES = {
    "kind": "own_row",
    "column": "answer",
    "known_at": "answered_at",
    "horizon": "2d",
    "delay": "1d",
    "classes": ["low", "mid", "high"],
}
PINBALL = {"name": "pinball", "quantile": 0.8, "minimum_effect": 1}


def reported(spec, training: dict[str, list[float]], *shops: str) -> dict[str, float]:
    """The forecast for each shop after these training labels."""
    rows = [(shop, label) for shop, labels in training.items() for label in labels]
    table = pd.DataFrame(rows, columns=["shop", "label"])
    requested = pd.DataFrame({"shop": list(shops)})
    return dict(zip(shops, baseline_predictions(spec, table, requested), strict=True))


@pytest.mark.parametrize(
    ("metric", "constant"),
    [
        ({"name": "absolute_error", "minimum_effect": 1}, np.median),
        ({"name": "squared_error", "minimum_effect": 1}, np.mean),
        (PINBALL, lambda labels: np.quantile(labels, 0.8)),
    ],
    ids=["median", "mean", "quantile"],
)
def test_each_entity_gets_its_own_constant(regression, metric, constant):
    """Against the same with everybody's constant written down among an entity's labels."""
    rng = np.random.default_rng(5)
    training = {
        f"s{number}": list(rng.normal(10.0**number, 3.0, size))
        for number, size in enumerate((1, 2, 45, 200))
    }
    everybody = constant(np.concatenate(list(training.values())))
    found = reported(regression(metric=metric), training, "s3", "s0", "s2", "s1", "new")
    for shop, labels in training.items():
        wanted = constant(np.array([*labels, *[everybody] * PRIOR_LABELS]))
        assert found[shop] == pytest.approx(wanted), shop
    assert found["new"] == pytest.approx(everybody), "training did not know it"


def percentage_constant(labels: np.ndarray) -> float:
    """The label that has the smallest mean percentage error, by trying every label."""
    return min(labels, key=lambda one: np.mean(np.abs(labels - one) / np.abs(labels)))


def test_a_percentage_error_has_its_own_constant(regression):
    """The best constant is not the median, because an error of a small label costs more."""
    rng = np.random.default_rng(6)
    training = {
        f"s{number}": list(rng.gamma(1.5, 10.0, size)) for number, size in enumerate((3, 400))
    }
    found = reported(
        regression(metric={"name": "mape", "minimum_effect": 0.01}), training, "s1", "s0", "new"
    )
    overall = percentage_constant(np.concatenate(list(training.values())))
    assert found["new"] == overall
    assert found["s1"] == pytest.approx(percentage_constant(np.array(training["s1"])), rel=0.25)
    assert overall < np.median(training["s1"])


def test_f1_is_compared_with_always_saying_yes(classifier, binary, recent):
    spec, rows = classifier(metric={"name": "f1", "minimum_effect": 0.01}), binary(recent)
    assert baseline_predictions(spec, rows, rows).tolist() == [1.0] * len(rows)


def test_of_many_classes_each_has_its_share(classifier, binary, recent):
    spec = classifier(label=CLASSES)
    training = pd.DataFrame(
        {"shop": ["a"] * 90, "label": ["low"] * 60 + ["mid"] * 20 + ["high"] * 10}
    )
    found = baseline_predictions(spec, training, pd.DataFrame({"shop": ["a", "new"]}))
    assert found.shape == (2, 3)
    assert found.sum(axis=1) == pytest.approx([1.0, 1.0])
    assert found[1] == pytest.approx([60 / 90, 20 / 90, 10 / 90]), "the overall shares"


def test_a_rate_is_never_sure(classifier, binary, recent):
    """One label that is 1: a rate of 1 would cost a log loss of 34 on the first 0."""
    spec, rows = classifier(), binary(recent)
    rows["shop"] = [f"party {number}" for number in range(len(rows))]
    rate = float(rows["label"].mean())
    found = baseline_predictions(spec, rows, rows)
    assert found[rows["label"] == 1] == pytest.approx(
        (1 + rate * PRIOR_LABELS) / (1 + PRIOR_LABELS)
    )
    assert 0 < found.min() < rate < found.max() < 1


def test_entities_of_several_keys_and_without_a_name(regression):
    """Two keys name an entity together; a missing one is a name of its own."""
    spec = regression()
    points = spec.points.model_copy(update={"keys": ("shop", "kind")})
    spec = spec.model_copy(update={"points": points})
    names = [("a", "x"), ("a", None), ("b", "x")]
    rows = pd.DataFrame(names, columns=["shop", "kind"])
    training = pd.concat([rows.assign(label=10.0 * place) for place in range(1, 4)] * 100)
    training["label"] += 1000.0 * training["kind"].isna()
    found = baseline_predictions(spec, training, rows)
    assert found[0] == found[2] == 20.0
    assert found[1] > 1000.0


def test_no_rows_have_no_forecast(regression):
    assert reported(regression(), {"a": [1.0, 2.0]}) == {}
