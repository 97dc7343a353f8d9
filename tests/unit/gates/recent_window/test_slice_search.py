"""Slices that are not declared, in worlds whose harm is planted."""

from __future__ import annotations

import numpy as np
import pytest
from pydantic import ValidationError

from pipelines.core.findings import Verdict
from pipelines.gates.recent_window.evaluate import WindowPredictions, evaluate
from pipelines.gates.recent_window.slice_search import undeclared_slices
from pipelines.training.score import Scored, rows_digest

SEARCH = {"margin": 0.1}
SLICE = "recent_window.slice."


def judged(spec, window, rows, candidate_sd, champion_sd=1.2):
    """Evaluates two models whose errors are normals of these sds, a number or one for each row."""
    rng, digest = np.random.default_rng(3), rows_digest(spec, rows)
    label = rows["label"].to_numpy()
    candidate, champion = (
        Scored(label + rng.normal(size=len(rows)) * sd, digest)
        for sd in (candidate_sd, champion_sd)
    )
    return evaluate(
        spec,
        window,
        rows,
        WindowPredictions(candidates=[candidate], champion=champion, naive=champion),
    )


def verdicts(evaluation):
    return {finding.name: finding.verdict for finding in evaluation.findings}


def test_a_harmed_category_that_is_not_declared_is_found_and_named(regression, frame, recent):
    """Gains of (1.2 - 0.5) and (1.2 - 1.9) times sqrt(2/pi): 0.56 and, for kind c, -0.56.

    That is eleven standard errors beyond the margin: at the four or five degrees of freedom that
    a month of days has, harm of five is not yet sure among 14 slices.
    """
    rows = frame(recent, per_day=120)
    sd = np.where(rows["kind"] == "c", 1.9, 0.5)
    blind = verdicts(judged(regression(), recent, rows, sd))
    assert blind["recent_window.primary"] is Verdict.PASS
    assert Verdict.FAIL not in blind.values(), "without a search, kind c is not tested"
    evaluation = judged(regression(find_slices=SEARCH), recent, rows, sd)
    answers = verdicts(evaluation)
    assert answers["recent_window.primary"] is Verdict.PASS, "the overall gain still passes"
    assert [n for n in answers if answers[n] is Verdict.FAIL] == [f"{SLICE}kind.c"]
    assert evaluation.verdict is Verdict.FAIL


def test_a_harmed_range_of_a_number_is_found_and_named(regression, frame, recent):
    rows = frame(recent)
    sd = np.where(rows["price"] > rows["price"].quantile(0.75), 1.9, 0.5)
    answers = verdicts(judged(regression(find_slices=SEARCH), recent, rows, sd))
    assert answers["recent_window.primary"] is Verdict.PASS
    assert [n for n in answers if answers[n] is Verdict.FAIL] == [f"{SLICE}price.bin_4_of_4"]


def test_every_key_and_feature_is_searched_unless_declared_or_of_many_values(
    regression, frame, recent
):
    rows = frame(recent)
    spec = regression(find_slices=SEARCH, slices=[{"column": "kind", "margin": 0.5}])
    found = {part.column: (part.bins, part.margin) for part in undeclared_slices(spec, rows)}
    assert found == {"size": (4, 0.1), "price": (4, 0.1), "open": (None, 0.1)}, (
        "80 shops are too many values, kind is declared, a yes/no is taken as it is"
    )
    wider = regression(find_slices={**SEARCH, "max_values": 80})
    assert next(part.column for part in undeclared_slices(wider, rows)) == "shop"
    assert [part.column for part in undeclared_slices(wider, rows.assign(kind="a"))] == [
        "shop",
        "size",
        "price",
        "open",
    ], "a column of one value is everybody"
    assert undeclared_slices(regression(), rows) == ()


def test_found_groups_that_are_too_small_are_listed_and_not_passed(regression, frame, recent):
    rows = frame(recent)
    rows.loc[rows.index[:150], "kind"] = "rare"
    evaluation = judged(regression(find_slices=SEARCH), recent, rows, 0.5)
    assert f"{SLICE}kind.rare" not in verdicts(evaluation)
    reported = next(f for f in evaluation.findings if f.name == "recent_window.slices_not_testable")
    assert reported.verdict is Verdict.INCONCLUSIVE
    assert "kind rare: 150 rows, fewer than 200" in reported.reason


def test_a_search_needs_a_margin_and_changes_no_recipe(regression):
    with pytest.raises(ValidationError, match="margin"):
        regression(find_slices={})
    assert regression(find_slices=SEARCH).recipe == regression().recipe
