"""A retraining as a run: its name says what became of it, its tables can be loaded."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from pipelines.core.findings import Verdict
from pipelines.core.run_page import RunPage
from pipelines.release.ledger import Entry
from pipelines.release.policy import Facts, decide
from pipelines.reporting.retraining.run_page import RunFacts, retraining_page
from pipelines.reporting.retraining.sections import VersionReview
from pipelines.training.search.result import SearchedParameters, SearchResult
from tests.support.ledger_entries import judged
from tests.unit.reporting.retraining.test_report import FAILED
from tests.unit.reporting.retraining.test_version_page import decided

Make = Callable[..., VersionReview]
FACTS = RunFacts(
    parameters={"estimator": "trees"},
    hashes={"recipe": "a" * 64},
    user="ada",
    source="gauntlet",
    started=datetime(2026, 1, 5, 6, tzinfo=UTC),
    refit_rows=500,
)


def page_of(about: VersionReview, facts: RunFacts = FACTS) -> RunPage:
    entry = Entry.append_to(judged("run"), None, FACTS.started)
    return retraining_page(about, entry, facts, "<html></html>")


def test_a_run_is_named_by_its_instant_outcome_and_version(reviewed: Make) -> None:
    page = page_of(decided(reviewed(2.0)))
    assert page.title == f"{page.tags['as_of']} promoted v4"
    assert page.tags["outcome"] == "promoted"
    assert page.tags["gain"].endswith(" absolute_error")
    assert (page.tags["mlflow.user"], page.tags["mlflow.source.type"]) == ("ada", "LOCAL")
    assert page.started == FACTS.started
    assert page.ended is None, "it ends when its page is complete"


def test_the_run_of_a_backfill_is_named_by_what_would_have_become_of_its_candidate(
    reviewed: Make,
) -> None:
    about = replace(decided(reviewed(2.0)), lineage="past", version="backfill-3")
    page = page_of(about)
    assert page.title == f"{page.tags['as_of']} backfill-3: would have been promoted"
    assert page_of(replace(about, version=None)).title.endswith(
        "backfill: would have been promoted"
    )


def test_a_run_that_a_gate_stopped_has_a_page_with_the_gate_and_the_reason(reviewed: Make) -> None:
    about = replace(reviewed(2.0), evaluation=None, version=None, findings=(FAILED,))
    facts = Facts(run=about.run, candidate=None, champion="3", champion_at_decision="3")
    page = page_of(replace(about, decision=decide(about.findings, facts)))
    assert page.title.endswith("rejected by contract")
    assert page.tags["reason"] == FAILED.reason
    assert page.parts == ()
    assert page.metrics["checks/fail"][0][1] == 1.0


def test_both_models_have_a_value_for_each_day_and_slices_have_gains(reviewed: Make) -> None:
    about = decided(reviewed(2.0))
    assert about.evaluation is not None
    page = page_of(about)
    days = [one.day for one in about.evaluation.daily]
    for name in ("day/candidate_absolute_error", "day/champion_absolute_error"):
        assert [at.date() for at, _ in page.metrics[name]] == days
    gain, own, other = (
        page.metrics[f"{name} insulin"][0][1]
        for name in ("slice_gain/medicine", "slice/candidate medicine", "slice/champion medicine")
    )
    assert other - own == pytest.approx(gain)
    first = about.evaluation.daily[0]
    assert first.candidate is not None
    assert first.baseline is not None
    assert first.baseline - first.candidate == pytest.approx(first.difference)


def test_slices_of_any_value_have_charts_of_their_own_that_mlflow_accepts(reviewed: Make) -> None:
    about = decided(reviewed(2.0))
    assert about.evaluation is not None
    one = about.evaluation.slices[0]
    values = ("東京", "大阪", "a/b", "a:b", "a b", "x" * 300)
    slices = tuple(one.model_copy(update={"value": value}) for value in values)
    evaluation = about.evaluation.model_copy(update={"slices": slices})
    page = page_of(replace(about, evaluation=evaluation))
    names = [name for name in page.metrics if name.startswith("slice_gain/")]
    assert len(names) == len(values)
    for name in page.metrics:
        assert re.fullmatch(r"[\w.\-/ :]{1,250}", name, re.ASCII), name


def test_the_tables_have_every_finding_and_every_part_of_the_evaluation(reviewed: Make) -> None:
    about = decided(reviewed(2.0))
    page = page_of(about)
    checks, evaluation = (json.loads(page.files[name]) for name in page.tables)
    assert len(checks["data"]) == len(about.findings)
    assert {row[0] for row in evaluation["data"]} == {"overall", "slice", "day", "seed"}
    for found in (checks, evaluation):
        assert {len(row) for row in found["data"]} == {len(found["columns"])}
    verdicts = [row[checks["columns"].index("verdict")] for row in checks["data"]]
    assert verdicts.count("pass") == sum(one.verdict is Verdict.PASS for one in about.findings)


def test_each_fit_is_a_part_below_the_run(reviewed: Make) -> None:
    parts = page_of(decided(reviewed(2.0))).parts
    assert parts[0].name == "candidate"
    assert parts[-1].name == "refit"
    assert len({part.name for part in parts}) == len(parts)


def test_each_combination_of_a_search_is_a_part_as_well(reviewed: Make) -> None:
    tried = tuple(
        SearchedParameters(parameters={"alpha": alpha}, value=value, step=step)
        for alpha, value, step in ((0.1, 2.0, 3), (1.0, 1.5, 1))
    )
    search = SearchResult(metric="absolute_error", folds=3, candidates=tried, chosen=1)
    about = replace(decided(reviewed(2.0)), searches={"candidate": search, "refit": search})
    parts = [one for one in page_of(about).parts if "search" in one.name]
    assert [one.name for one in parts] == [
        *("candidate search 1", "candidate search 2", "refit search 1", "refit search 2")
    ]
    assert parts[0].parameters == {"alpha": "0.1", "chosen": "no", "training_rows": "1 of 3"}
    assert parts[1].parameters == {"alpha": "1.0", "chosen": "yes", "training_rows": "all"}
    assert parts[1].metrics == {"search_absolute_error": 1.5}
