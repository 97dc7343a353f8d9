"""The review page shows what a search compared, how clear its choice was, and what it cost."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import pytest

from pipelines.reporting.retraining.report import report_page
from pipelines.reporting.retraining.search_section import MOST, search_section
from pipelines.reporting.retraining.sections import VersionReview
from pipelines.reporting.retraining.version_page import version_page
from pipelines.spec.estimator import Search
from pipelines.spec.model import ModelSpec
from pipelines.training.search.result import SearchedParameters, SearchResult

RATES = (0.03, 0.08, 0.2)
# Parameters, metric by fold, and of how many training rows one was used.
Tried = Sequence[tuple[Mapping[str, Any], tuple[float, ...], int]]


@pytest.fixture
def spec(reviewed: Callable[..., VersionReview]) -> ModelSpec:
    """Judged by the absolute error, of which 0.2 matters."""
    spec = reviewed(2.0).spec
    search = Search(parameters={"rate": RATES, "loss": ("a", "b")})
    estimator = spec.estimator.model_copy(update={"search": search})
    return spec.model_copy(update={"estimator": estimator})


def result(tried: Tried, chosen: int) -> SearchResult:
    candidates = tuple(
        SearchedParameters(
            parameters=dict(parameters), value=sum(folds) / len(folds), folds=folds, step=step
        )
        for parameters, folds, step in tried
    )
    return SearchResult(
        metric="absolute_error", folds=2, candidates=candidates, chosen=chosen, fits=6, cost=2.5
    )


def test_the_winner_comes_first_with_its_lead_by_fold(spec: ModelSpec) -> None:
    found = result([({"rate": rate}, (3.0 - rate, 4.0 - 10 * rate), 1) for rate in RATES], 2)
    page = search_section({"candidate": found}, spec)
    lines = page.splitlines()
    assert lines[0] == "### Search of parameters (best first)"
    assert lines[2] == "| combination&emsp; | absolute_error&emsp; | fold 1&emsp; | fold 2&emsp; |"
    assert [line.split("&emsp;")[0] for line in lines[4:7]] == [
        *("| rate = 0.2", "| rate = 0.08", "| rate = 0.03")
    ]
    assert lines[4].endswith("| 2.4&emsp; | 2.8&emsp; | 2&emsp; |")
    assert lines[-1] == (
        "Chosen for the twin, which was judged. It is 0.66 better than the next, in 2 of 2 folds. "
        "`rate` is the largest value declared; try others beyond it. "
        "The search made 6 fits, on as many rows as 2.5 fits of the model."
    )


def test_a_lead_that_does_not_matter_is_called_so(spec: ModelSpec) -> None:
    two = [
        ({"rate": 0.08, "loss": "a"}, (3.0, 3.0), 1),
        ({"rate": 0.08, "loss": "b"}, (2.9, 3.05), 1),
    ]
    page = search_section({"candidate": result(two, 1)}, spec)
    assert "in 1 of 2 folds: less than the minimum effect of 0.2, so either would do." in page
    assert "try" not in page


def test_a_combination_of_an_earlier_round_never_leads(spec: ModelSpec) -> None:
    """Errors on fewer training rows are another thing, also where they are smaller."""
    tried = [
        ({"rate": 0.03}, (1.0, 1.0), 3),
        ({"rate": 0.08}, (2.0, 2.0), 1),
        ({"rate": 0.2}, (3.0, 3.0), 1),
    ]
    lines = search_section({"refit": result(tried, 1)}, spec).splitlines()
    assert [line.split("|")[-2].removesuffix("&emsp; ").strip() for line in lines[4:7]] == [
        *("all", "all", "1 of 3")
    ]
    assert "Chosen for the refit, which serves. It is 1 better than the next" in lines[-1]


def test_the_refit_may_choose_another(spec: ModelSpec) -> None:
    tried = [({"rate": rate}, (rate, rate), 1) for rate in (*RATES, *(10.0 + n for n in range(9)))]
    searches = {"candidate": result(tried, 0), "refit": result(tried, 1)}
    page = search_section(searches, spec)
    assert "For the refit, which serves, rate = 0.08 was chosen." in page
    assert page.startswith(f"### Search of parameters ({MOST} of 12 combinations, best first)")
    assert "the same was chosen" in search_section(
        {**searches, "refit": searches["candidate"]}, spec
    )


def test_a_search_that_was_stored_without_its_folds_is_shown(spec: ModelSpec) -> None:
    tried = tuple(SearchedParameters(parameters={"rate": r}, value=r) for r in RATES)
    found = SearchResult(metric="absolute_error", folds=2, candidates=tried, chosen=0)
    page = search_section({"candidate": found}, spec)
    assert "It is 0.05 better than the next: less than" in page
    assert "fold" not in page
    assert "fits" not in page


def test_page_and_report_have_the_section_only_with_a_search(
    reviewed: Callable[..., VersionReview], spec: ModelSpec
) -> None:
    about = reviewed(2.0)
    found = result([({"rate": rate, "loss": "a|<b>"}, (rate, rate), 1) for rate in RATES], 0)
    for page in (version_page, lambda one: report_page(one, {})):
        assert "Search of parameters" not in page(about)
        shown = page(replace(about, spec=spec, searches={"candidate": found}))
        assert "Search of parameters" in shown
        assert "loss = a|<b>" not in shown
        assert "&lt;b&gt;" in shown
