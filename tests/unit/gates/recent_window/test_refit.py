"""A refit that differs from its twin more than past refits did is not promoted."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from pipelines.core.findings import Finding, Verdict
from pipelines.gates.recent_window.refit import (
    ANSWERS,
    ERROR,
    answer_change,
    judged_by_past,
    largest_expected,
    refit_findings,
)
from pipelines.training.score import Scored

PAST = tuple(0.5 * np.exp(np.random.default_rng(5).normal(0, 0.2, 20)))


@pytest.fixture
def judge(regression):
    """The findings about predictions of labels that are all zero; the minimum effect is 0.1."""
    metric = {"name": "absolute_error", "minimum_effect": 0.1}
    spec = regression(metric=metric, guardrails=(), slices=())

    def found(twin: list[float], refit: list[float], past=PAST, label=0.0) -> dict[str, Finding]:
        rows = pd.DataFrame({"label": [label] * len(twin)})
        twins, refits = (Scored(np.array(values), "rows") for values in (twin, refit))
        findings = {each.name: each for each in refit_findings(spec, rows, twins, refits, past)}
        first, second = refit_findings(spec, rows, twins, refits, ())
        assert findings == {ANSWERS: judged_by_past(first, past), ERROR: second}
        return findings

    return found


def test_a_usual_refit_passes(judge):
    found = judge([1.0, -1.0], [0.5, -0.5])
    assert [one.verdict for one in found.values()] == [Verdict.PASS, Verdict.PASS]
    assert found[ANSWERS].value == 0.5


def test_a_refit_that_differs_more_than_past_refits_is_held_back(judge):
    found = judge([1.0, -1.0], [-0.5, 0.5])
    assert (found[ANSWERS].verdict, found[ANSWERS].blocking) == (Verdict.INCONCLUSIVE, True)
    assert found[ERROR].verdict is Verdict.PASS


def test_where_the_world_has_moved_refits_may_differ_more(judge):
    assert judge([100.0, -100.0], [50.0, -50.0])[ANSWERS].verdict is Verdict.PASS


def test_few_past_refits_are_reported_and_block_nothing(judge):
    found = judge([1.0, -1.0], [-0.5, 0.5], past=PAST[:7])[ANSWERS]
    assert (found.verdict, found.blocking, found.value) == (Verdict.INCONCLUSIVE, False, 1.5)
    assert "7 past refits of this recipe are too few" in found.reason


def test_a_refit_may_be_worse_on_its_own_rows_by_the_minimum_effect_at_most(judge):
    assert judge([1.0, 1.0], [1.1, 1.0])[ERROR].verdict is Verdict.PASS
    worse = judge([1.0, 1.0], [1.3, 1.0])[ERROR]
    assert (worse.verdict, worse.blocking) == (Verdict.FAIL, True)
    assert worse.value == pytest.approx(0.15)


def test_without_labels_nothing_is_compared_and_the_deciding_metric_reports_it(judge):
    for unknown in judge([1.0, 1.0], [1.1, 1.0], label=None).values():
        assert (unknown.verdict, unknown.blocking) == (Verdict.NO_DATA, False)


def test_probabilities_of_many_classes_differ_by_half_the_sum():
    label = np.array([2.0])
    twin, refit = np.array([[0.5, 0.5, 0.0]]), np.array([[0.25, 0.25, 0.5]])
    assert answer_change(label, twin, refit) == 0.5


def test_a_twin_without_an_error_can_only_be_left_alone():
    label = np.array([1.0, 2.0])
    assert answer_change(label, label, label) == 0.0
    assert answer_change(label, label, label + 1) == 1.0


def test_the_bound_holds_for_99_of_100_new_refits_of_the_same_kind():
    rng = np.random.default_rng(11)
    exceeded = 0
    for _ in range(4000):
        *past, new = np.exp(rng.normal(-2, 0.5, 13))
        exceeded += new > (largest_expected(past) or 0.0)
    assert exceeded / 4000 < 0.01 + 3 * np.sqrt(0.01 * 0.99 / 4000)


def test_equal_past_refits_allow_the_same_difference_again():
    assert largest_expected([0.3] * 9) == pytest.approx(0.3)
    assert largest_expected([0.0] * 9) is None
