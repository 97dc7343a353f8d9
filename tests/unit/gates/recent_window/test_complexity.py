"""A simple model that does as well is named, and a gap to training that grows is shown."""

from __future__ import annotations

import numpy as np
import pytest

from pipelines.core.findings import Finding, Verdict
from pipelines.gates.recent_window.complexity import GAP, RIVAL, complexity, training_value
from pipelines.training.score import Scored

PAST = (0.10, 0.12, 0.11, 0.09, 0.10, 0.13, 0.11, 0.10)


@pytest.fixture
def judge(regression, frame, recent):
    """Findings about errors of given sizes; the minimum effect is 0.05."""
    spec, rows = regression(), frame(recent)
    noise = np.random.default_rng(3).normal(size=(3, len(rows)))
    label = rows["label"].to_numpy()

    def found(own: float, others: dict[str, float], training=0.7, past=PAST) -> dict[str, Finding]:
        scored = [
            Scored(label + size * noise[at], "") for at, size in enumerate((own, *others.values()))
        ]
        rivals = dict(zip(others, scored[1:], strict=True))
        result = complexity(spec, rows, scored[0], rivals, training, past)
        assert all(not one.blocking for one in result.findings)
        return {one.name: one for one in result.findings}

    return found


def test_a_simple_model_that_does_as_well_is_named(judge) -> None:
    found = judge(0.4, {"linear model": 0.4, "shallow tree": 0.8})[RIVAL]
    assert found.verdict is Verdict.FAIL
    assert "a linear model does as well within the minimum effect of 0.05" in found.reason


def test_a_candidate_that_is_better_than_every_simple_model_passes(judge) -> None:
    """Mean absolute errors of normals: the better rival loses 0.5 sqrt(2/pi) = 0.399 more."""
    found = judge(1.0, {"linear model": 1.5, "shallow tree": 2.0})[RIVAL]
    assert found.verdict is Verdict.PASS
    assert found.value == pytest.approx(0.399, abs=0.08)


@pytest.mark.parametrize(
    ("training", "past", "verdict"),
    [
        (0.70, PAST, Verdict.PASS),  # 0.798 on recent rows
        (0.50, PAST, Verdict.FAIL),
        (0.50, PAST[:7], Verdict.INCONCLUSIVE),
        (None, PAST, Verdict.NO_DATA),
    ],
)
def test_a_gap_to_training_is_compared_with_that_of_earlier_versions(
    training, past, verdict, judge
) -> None:
    assert judge(1.0, {}, training, past)[GAP].verdict is verdict


def test_the_metric_on_training_rows(regression, frame, train) -> None:
    rows = frame(train)
    scored = Scored(rows["label"].to_numpy() + 0.5, "")
    assert training_value(regression(), rows, scored) == pytest.approx(0.5)
