"""The page of a refresh: the cost of age first, and no claim that the version is better."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from pipelines.core.findings import Verdict, make_finding
from pipelines.gates.refresh.age_costs import AgeCost
from pipelines.gates.refresh.state import RefreshState, ReplacedAccount
from pipelines.reporting.refresh_plot import refresh_plot
from pipelines.reporting.refresh_section import deciding_finding, refresh_section
from pipelines.reporting.retraining.sections import VersionReview
from pipelines.reporting.retraining.version_page import version_page
from pipelines.spec.training import RefreshGate
from pipelines.stats.ageing import PooledMean

NOW = datetime(2026, 1, 5, tzinfo=UTC)
COST = PooledMean(estimate=0.8, standard_error=0.2, weeks=20, df=19)
FINDINGS = (
    make_finding("refresh.stop", Verdict.PASS, "no version was replaced within the watch"),
    make_finding("refresh.age", Verdict.PASS, "the candidate is 3 weeks newer"),
    make_finding("refresh.record", Verdict.PASS, "a week of age costs 0.8"),
    make_finding("refresh.pays", Verdict.INCONCLUSIVE, "not proved to pay", blocking=False),
)


def state(accounts: tuple[ReplacedAccount, ...] = ()) -> RefreshState:
    return RefreshState(
        weeks=20,
        candidates=26,
        cost=COST,
        evidence=3.0,
        age=3.0,
        minimum_effect=0.5,
        accounts=accounts,
    )


def account(version: str, lost: float) -> ReplacedAccount:
    at = NOW - timedelta(days=70)
    return ReplacedAccount(version=version, as_of=at, replaced_at=at, weeks=9, lost=lost)


def test_the_page_begins_with_what_age_costs(reviewed: Callable[..., VersionReview]) -> None:
    about = reviewed(0.1)
    page = version_page(replace(about, findings=(*about.findings, *FINDINGS)))
    section = page[page.index("### Refresh") : page.index("### Where it comes from")]
    lines = [line for line in section.splitlines() if line.startswith("- ")]
    assert [line.split(" ", 2)[2] for line in lines] == [
        "pass A week of age costs 0.8.",
        "pass The candidate is 3 weeks newer.",
        "pass No version was replaced within the watch.",
        "inconclusive (shown only) Not proved to pay.",
    ]
    assert "is not shown to be better" in section


def test_a_refresh_that_looks_worse_is_not_wanted_to_be_better(
    reviewed: Callable[..., VersionReview],
) -> None:
    about = reviewed(-1.0)
    worse = "the candidate's twin is worse, but the champion's age alone costs more"
    looks = make_finding("refresh.looks_better", Verdict.PASS, worse)
    others = [one for one in about.findings if one.name != "recent_window.primary"]
    page = version_page(replace(about, findings=(*others, *FINDINGS, looks)))
    (row,) = [line for line in page.splitlines() if line.startswith("| **absolute_error**")]
    assert "above 0" not in row
    assert "✔&nbsp;pass" in row
    assert "Twins are compared: the candidate's twin is worse, but" in page


def test_the_headline_quotes_the_evidence_of_the_preset(
    reviewed: Callable[..., VersionReview],
) -> None:
    """With `tested`, the cost of age is only shown, and so is no reason."""
    assert deciding_finding(FINDINGS) == FINDINGS[1]
    tested = make_finding("refresh.tested", Verdict.PASS, "the twin is shown to be better")
    shown = [one.model_copy(update={"blocking": False}) for one in FINDINGS]
    about = reviewed(0.1)
    others = [one for one in about.findings if one.name != "recent_window.primary"]
    page = version_page(replace(about, findings=(*others, *shown, tested)))
    headline = page[: page.index("| metric")]
    assert "The twin is shown to be better." in headline
    assert "3 weeks newer" not in headline
    first = next(line for line in page.splitlines() if line.startswith("| **"))
    assert "(90%)" in first, "the interval of the gain, though it is no test"


def test_a_changed_recipe_has_no_such_section(reviewed: Callable[..., VersionReview]) -> None:
    assert refresh_section(reviewed(0.1).findings, "3") == ""


@pytest.mark.parametrize("accounts", [(), (account("3", -40.0), account("5", 12.0))])
def test_the_plot_is_a_small_picture_and_the_same_each_time(
    accounts: tuple[ReplacedAccount, ...],
) -> None:
    costs = tuple(AgeCost(age=age, cost=COST) for age in (1, 2, 4))
    made = [refresh_plot(RefreshGate(), "absolute_error", state(accounts), costs) for _ in range(2)]
    assert made[0] is not None
    assert made[0] == made[1]
    assert b"<svg" in made[0]
    assert b"<title>A week of age costs" in made[0]
    assert len(made[0]) < 60_000


def test_a_short_record_has_no_plot() -> None:
    short = state().model_copy(update={"cost": None})
    assert refresh_plot(RefreshGate(), "absolute_error", short, ()) is None
