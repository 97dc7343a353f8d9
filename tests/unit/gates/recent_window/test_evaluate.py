"""The recent window's findings, in worlds whose truth is planted."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pytest

from pipelines.core.errors import DataError, SpecError
from pipelines.core.findings import Verdict
from pipelines.gates.champion.emergency import is_emergency
from pipelines.gates.recent_window.evaluate import (
    DifferentClasses,
    DifferentRows,
    WindowPredictions,
    evaluate,
)
from pipelines.gates.recent_window.record import Evaluation
from pipelines.training.score import Scored, rows_digest

Judge = Callable[..., Evaluation]


@pytest.fixture
def judge(recent) -> Judge:
    """Evaluates predictions that are given as errors: prediction = label + error."""

    def run(
        spec: Any,
        rows: pd.DataFrame,
        candidates: list[np.ndarray],
        champion: np.ndarray | None,
        naive: float = 0.0,
    ) -> Evaluation:
        digest = rows_digest(spec, rows)
        label = rows["label"].fillna(0).to_numpy()

        def scored(error: np.ndarray) -> Scored:
            return Scored(label + error, digest)

        return evaluate(
            spec,
            recent,
            rows,
            WindowPredictions(
                candidates=[scored(error) for error in candidates],
                champion=None if champion is None else scored(champion),
                naive=Scored(np.full(len(rows), naive), digest),
            ),
        )

    return run


def errors(rows: pd.DataFrame, sd: float, seed: int) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=len(rows)) * sd


def found(evaluation: Evaluation, name: str):
    by_name = {finding.name: finding for finding in evaluation.findings}
    assert f"recent_window.{name}" in by_name, f"findings are {sorted(by_name)}"
    return by_name[f"recent_window.{name}"]


def test_a_better_candidate_passes(regression, frame, recent, judge):
    """Mean absolute errors of normals with sd 1 and 1.5: the gain is 0.5 sqrt(2/pi) = 0.399."""
    spec, rows = regression(), frame(recent)
    seeds = [errors(rows, 1.0, seed) for seed in (1, 2, 3)]
    evaluation = judge(spec, rows, seeds, errors(rows, 1.5, 9))
    assert evaluation.verdict is Verdict.PASS, [f.reason for f in evaluation.findings]
    primary = found(evaluation, "primary")
    assert primary.value == pytest.approx(0.399, abs=4 * 0.02)
    assert primary.threshold == spec.metric.minimum_effect
    assert evaluation.primary.candidate == pytest.approx(np.abs(seeds[0]).mean())
    assert evaluation.primary.difference.days == 28
    assert evaluation.baseline == "champion"


def test_a_worse_candidate_fails(regression, frame, recent, judge):
    rows = frame(recent)
    evaluation = judge(regression(), rows, [errors(rows, 1.5, 1)], errors(rows, 1.0, 2))
    assert found(evaluation, "primary").verdict is Verdict.FAIL
    assert "excluded" in found(evaluation, "primary").reason
    assert evaluation.verdict is Verdict.FAIL


def test_too_little_data_for_the_effect_is_inconclusive_and_reports_how_much_would_do(
    regression, frame, recent, judge
):
    spec = regression(metric={"name": "absolute_error", "minimum_effect": 0.05})
    rows = frame(recent, per_day=12)
    evaluation = judge(spec, rows, [errors(rows, 1, 3)], errors(rows, 1, 4))
    primary = found(evaluation, "primary")
    assert primary.verdict is Verdict.INCONCLUSIVE, primary.reason
    assert "28 days detect" in primary.reason
    assert "would detect 0.05" in primary.reason


def test_the_same_model_again_is_no_gain_and_no_harm(regression, frame, recent, judge):
    spec = regression(
        guardrails=[{"name": "squared_error", "margin": 0}],
        slices=[{"column": "kind", "margin": 0.1}],
    )
    rows = frame(recent)
    same = errors(rows, 1, 1)
    evaluation = judge(spec, rows, [same], same)
    assert found(evaluation, "primary").verdict is Verdict.FAIL
    assert "no gain" in found(evaluation, "primary").reason
    assert found(evaluation, "guardrail.squared_error").verdict is Verdict.PASS
    assert found(evaluation, "slice.kind.a").verdict is Verdict.PASS


def test_a_guardrail_that_is_not_shown_harmless_does_not_pass(regression, frame, recent, judge):
    """A gain in absolute error bought with rare, very large errors.

    Squared errors rise by 144 / 41 + 0.04 - 1 = 2.5.
    """
    rows = frame(recent)
    rare = np.where(np.arange(len(rows)) % 41 == 0, 12.0, 0.0)
    candidate, champion = errors(rows, 0.2, 1) + rare, errors(rows, 1, 2)
    verdicts = {}
    for margin in (0.05, 2.5, 6.0):
        spec = regression(guardrails=[{"name": "squared_error", "margin": margin}])
        evaluation = judge(spec, rows, [candidate], champion)
        assert found(evaluation, "primary").verdict is Verdict.PASS
        verdicts[margin] = found(evaluation, "guardrail.squared_error").verdict
    assert verdicts == {0.05: Verdict.FAIL, 2.5: Verdict.INCONCLUSIVE, 6.0: Verdict.PASS}


def test_harm_in_one_slice_is_found_there_and_only_there(regression, frame, recent, judge):
    spec = regression(slices=[{"column": "kind", "margin": 0.4}])
    rows = frame(recent)
    sd = np.where(rows["kind"] == "c", 3.0, 0.7)
    candidate = errors(rows, 1, 1) * sd
    evaluation = judge(spec, rows, [candidate], errors(rows, 1.2, 2))
    verdicts = {kind: found(evaluation, f"slice.kind.{kind}").verdict for kind in "abc"}
    assert verdicts == {"a": Verdict.PASS, "b": Verdict.PASS, "c": Verdict.FAIL}
    harmed = next(part for part in evaluation.slices if part.value == "c")
    assert harmed.harm_p is not None
    assert harmed.harm_p < 0.05


def test_slices_too_small_or_too_noisy_are_listed_and_not_passed(regression, frame, recent, judge):
    spec = regression(
        slices=[{"column": "shop", "margin": 0.5}, {"column": "kind", "margin": 0.001}]
    )
    rows = frame(recent)
    evaluation = judge(spec, rows, [errors(rows, 1, 1)], errors(rows, 1, 2))
    untested = found(evaluation, "slices_not_testable")
    assert untested.verdict is Verdict.INCONCLUSIVE
    assert not untested.blocking
    assert untested.value == 80 + 3, "80 shops with about 21 rows each, 3 noisy kinds"
    assert not [f for f in evaluation.findings if f.name.startswith("recent_window.slice.")]


def test_numbers_are_sliced_into_bins_with_lasting_names(regression, frame, recent, judge):
    spec = regression(slices=[{"column": "price", "margin": 0.5, "bins": 3}])
    rows = frame(recent)
    evaluation = judge(spec, rows, [errors(rows, 0.8, 1)], errors(rows, 1, 2))
    assert {part.value for part in evaluation.slices} == {"bin_1_of_3", "bin_2_of_3", "bin_3_of_3"}
    assert {part.rows for part in evaluation.slices} == {560}, "a third of 28 days x 60 rows"


def test_values_that_a_name_cannot_hold_stay_apart(regression, frame, recent, judge):
    spec = regression(slices=[{"column": "kind", "margin": 0.5}])
    rows = frame(recent)
    rows["kind"] = rows["kind"].map({"a": "x y", "b": "x/y", "c": None})
    evaluation = judge(spec, rows, [errors(rows, 0.8, 1)], errors(rows, 1, 2))
    names = [f.name for f in evaluation.findings if f.name.startswith("recent_window.slice.")]
    assert len(set(names)) == 3
    assert "recent_window.slice.kind.missing" in names


def test_a_gain_inside_the_noise_of_refitting_is_called_luck(regression, frame, recent, judge):
    spec, rows = regression(gates={"budget": {"tries": 1}}), frame(recent)
    lucky = [errors(rows, sd, seed) for seed, sd in ((1, 1.0), (2, 1.25), (3, 1.4))]
    evaluation = judge(spec, rows, lucky, errors(rows, 1.2, 9))
    assert found(evaluation, "primary").verdict is Verdict.PASS
    noise = found(evaluation, "seed_noise")
    assert noise.verdict is Verdict.INCONCLUSIVE
    assert "lucky seed" in noise.reason
    assert evaluation.verdict is Verdict.INCONCLUSIVE
    assert [gain.index for gain in evaluation.seeds] == [0, 1, 2]


def test_one_seed_cannot_show_luck(regression, frame, recent, judge):
    rows = frame(recent)
    evaluation = judge(regression(), rows, [errors(rows, 1, 1)], errors(rows, 1.5, 2))
    noise = found(evaluation, "seed_noise")
    assert noise.verdict is Verdict.NO_DATA
    assert not noise.blocking


def test_labels_that_did_not_come_mean_no_data(regression, frame, recent, judge):
    """Two in five points have no label; nine in ten are wanted."""
    rows = frame(recent)
    rows["label"] = rows["label"].where(rows.index % 5 > 1)
    evaluation = judge(regression(), rows, [errors(rows, 1, 1)], errors(rows, 1.5, 2))
    assert found(evaluation, "maturity").verdict is Verdict.NO_DATA
    assert found(evaluation, "maturity").value == pytest.approx(0.6)
    assert found(evaluation, "primary").verdict is Verdict.NO_DATA
    assert evaluation.verdict is Verdict.NO_DATA


@pytest.mark.parametrize("kept", ["no rows", "few rows", "few days", "no labels"])
def test_too_little_to_judge_is_no_data(regression, frame, recent, judge, kept):
    rows = frame(recent)
    rows = {
        "no rows": rows.head(0),
        "few rows": rows.iloc[::10],
        "few days": rows[rows["decision_time"] < "2026-02-11"],
        "no labels": rows.assign(label=np.nan),
    }[kept]
    evaluation = judge(regression(), rows, [errors(rows, 1, 1)], errors(rows, 1.5, 2))
    assert evaluation.verdict is Verdict.NO_DATA
    assert found(evaluation, "maturity").verdict is Verdict.NO_DATA
    assert evaluation.comparisons == ()


def test_a_few_missing_labels_are_left_out_of_both_arms(regression, frame, recent, judge):
    rows = frame(recent)
    rows["label"] = rows["label"].where(rows.index % 20 > 0)
    evaluation = judge(regression(), rows, [errors(rows, 1, 1)], errors(rows, 1.5, 2))
    assert (evaluation.rows, evaluation.labelled) == (1680, 1680 - 84)
    assert evaluation.primary.difference.rows == evaluation.labelled
    assert sum(day.rows for day in evaluation.daily) == evaluation.labelled


@pytest.mark.parametrize(
    ("shops", "words"), [(1, "one entity"), (8, "these entities"), (15, "few entities")]
)
def test_few_entities_are_compared_and_the_assumption_is_stated(
    regression, frame, recent, judge, shops, words
):
    rows = frame(recent, shops=shops)
    spec = regression(gates={"recent_window": {"minimum_rows": 30}})
    evaluation = judge(spec, rows, [errors(rows, 1, 1)], errors(rows, 1.5, 2))
    warned = found(evaluation, "concentration")
    assert (warned.verdict, warned.blocking) == (Verdict.INCONCLUSIVE, False)
    assert words in warned.reason
    assert ("only noise" in warned.reason) == (shops < 12)
    assert evaluation.primary.difference.days_alone == (shops < 12)
    assert found(evaluation, "primary").verdict is not Verdict.NO_DATA


def test_predictions_for_other_rows_are_refused(regression, frame, recent):
    spec, rows = regression(), frame(recent)
    other = rows.assign(label=rows["label"] + 1)
    mine = Scored(np.zeros(len(rows)), rows_digest(spec, rows))
    theirs = Scored(np.zeros(len(rows)), rows_digest(spec, other))
    with pytest.raises(DifferentRows, match="champion"):
        evaluate(
            spec, recent, rows, WindowPredictions(candidates=[mine], champion=theirs, naive=mine)
        )
    with pytest.raises(DifferentRows, match="candidate 1"):
        evaluate(
            spec,
            recent,
            rows,
            WindowPredictions(candidates=[mine, theirs], champion=None, naive=mine),
        )
    unlike = Scored(mine.predictions, mine.rows_digest, ("0", "1"))
    with pytest.raises(DifferentClasses):
        evaluate(
            spec, recent, rows, WindowPredictions(candidates=[mine], champion=unlike, naive=mine)
        )


def test_rows_outside_the_window_are_refused(regression, frame, recent, train):
    spec, rows = regression(), frame(train)
    mine = Scored(np.zeros(len(rows)), rows_digest(spec, rows))
    with pytest.raises(DataError, match="outside the window"):
        evaluate(
            spec, recent, rows, WindowPredictions(candidates=[mine], champion=None, naive=mine)
        )


def test_the_first_model_is_held_against_the_naive_forecast(regression, frame, recent, judge):
    spec, rows = regression(), frame(recent)
    good = judge(spec, rows, [errors(rows, 1, seed) for seed in (1, 2)], None, naive=1.0)
    assert found(good, "baseline").verdict is Verdict.PASS
    assert good.baseline == "naive_forecast"
    assert good.primary.baseline == pytest.approx((rows["label"] - 1.0).abs().mean())
    useless = judge(spec, rows, [errors(rows, 6, 1)], None, naive=1.0)
    assert found(useless, "baseline").verdict is Verdict.FAIL


def test_a_champion_worse_than_the_naive_forecast_opens_the_way(regression, frame, recent, judge):
    rows = frame(recent)
    spec = regression()
    broken, good = errors(rows, 30, 2), errors(rows, 0.5, 1)
    replaced = judge(spec, rows, [good, errors(rows, 0.5, 3)], broken, naive=1.0)
    assert is_emergency(replaced.findings)
    assert found(replaced, "primary").verdict is Verdict.PASS
    assert "tested at 0.05" in found(replaced, "primary").reason, "the level of a first version"
    assert found(replaced, "baseline").verdict is Verdict.PASS
    useless = judge(spec, rows, [errors(rows, 20, 1), errors(rows, 20, 3)], broken, naive=1.0)
    assert not is_emergency(useless.findings)
    assert "tested at 0.05" not in found(useless, "primary").reason, "judged as without the alarm"
    baseline = found(useless, "baseline")
    assert (baseline.verdict, baseline.blocking) == (Verdict.FAIL, False), "still of no use"
    sound = judge(spec, rows, [good], errors(rows, 0.6, 2), naive=1.0)
    assert not is_emergency(sound.findings)
    assert "recent_window.baseline" not in {finding.name for finding in sound.findings}


def test_probabilities_are_judged_by_log_loss_auc_and_average_precision(classifier, binary, recent):
    spec = classifier(
        guardrails=[
            {"name": "auc", "margin": 0.01},
            {"name": "average_precision", "margin": 0.01},
            {"name": "brier", "margin": 0.01},
        ],
        slices=[{"column": "kind", "margin": 0.2}],
    )
    rows = binary(recent)
    rng = np.random.default_rng(1)
    signal = 2 * rows["label"].to_numpy() - 1
    digest = rows_digest(spec, rows)

    def scored(strength: float) -> Scored:
        noisy = strength * signal + rng.normal(size=len(rows))
        return Scored(1 / (1 + np.exp(-noisy)), digest, ("0", "1"))

    evaluation = evaluate(
        spec,
        recent,
        rows,
        WindowPredictions(
            candidates=[scored(1.5), scored(1.5)], champion=scored(0.5), naive=scored(0.0)
        ),
    )
    assert evaluation.verdict is Verdict.PASS, [f.reason for f in evaluation.findings]
    kinds = {part.metric: part.higher_is_better for part in evaluation.comparisons}
    assert kinds == {"log_loss": False, "auc": True, "average_precision": True, "brier": False}


def test_a_window_of_one_class_cannot_be_ranked(classifier, binary, recent):
    spec = classifier(metric={"name": "auc", "minimum_effect": 0.01})
    rows = binary(recent).assign(label=0.0)
    scored = Scored(np.full(len(rows), 0.5), rows_digest(spec, rows), ("0", "1"))
    evaluation = evaluate(
        spec, recent, rows, WindowPredictions(candidates=[scored], champion=scored, naive=scored)
    )
    assert found(evaluation, "primary").verdict is Verdict.NO_DATA
    assert "one class" in found(evaluation, "primary").reason


def test_scaled_errors_need_a_denominator_above_zero(regression, frame, recent, judge):
    metric = {"name": "scaled_absolute_error", "denominator": "price", "minimum_effect": 0.05}
    rows = frame(recent).assign(price=2.0)
    evaluation = judge(regression(metric=metric), rows, [errors(rows, 1, 1)], errors(rows, 2, 2))
    assert evaluation.primary.candidate == pytest.approx(np.abs(errors(rows, 1, 1)).mean() / 2)
    free = rows.assign(price=np.where(rows.index == 3, 0.0, 2.0))
    evaluation = judge(regression(metric=metric), free, [errors(rows, 1, 1)], errors(rows, 2, 2))
    assert found(evaluation, "primary").verdict is Verdict.NO_DATA
    unknown = regression(metric={**metric, "denominator": "shop"})
    with pytest.raises(SpecError, match="denominator"):
        judge(unknown, rows, [errors(rows, 1, 1)], None)


def test_an_evaluation_is_small_and_survives_its_json(regression, frame, recent, judge):
    spec = regression(slices=[{"column": "shop", "margin": 0.5, "minimum_rows": 30}])
    rows = frame(recent, shops=1000)
    evaluation = judge(spec, rows, [errors(rows, 1, 1)], errors(rows, 1.5, 2))
    assert len(evaluation.daily) == 28
    assert len(evaluation.slices) <= 201
    assert Evaluation.model_validate_json(evaluation.model_dump_json()) == evaluation


def test_row_order_does_not_change_the_verdict(regression, frame, recent, judge):
    spec, rows = regression(), frame(recent)
    mine, theirs = errors(rows, 1, 1), errors(rows, 1.5, 2)
    order = np.random.default_rng(0).permutation(len(rows))
    one = judge(spec, rows, [mine], theirs)
    other = judge(spec, rows.iloc[order], [mine[order]], theirs[order])
    assert one.primary.difference.standard_error == pytest.approx(
        other.primary.difference.standard_error, rel=1e-9
    )
