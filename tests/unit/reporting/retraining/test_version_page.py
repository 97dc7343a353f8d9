"""What a reviewer must find on the page, whatever became of the version."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from pipelines.core.findings import (
    Finding,
    Gate,
    Interval,
    Measurement,
    Verdict,
    make_finding,
)
from pipelines.core.markup import html_text
from pipelines.gates.audit.recipe_diff import recipe_changes
from pipelines.release.policy import Facts, Outcome, decide
from pipelines.reporting.plots import evaluation_plots
from pipelines.reporting.retraining.sections import VersionReview, headline, slices_section
from pipelines.reporting.retraining.version_page import version_page
from pipelines.spec.training import SliceSearch

Make = Callable[..., VersionReview]
PASSED = tuple(
    Finding(gate=gate, name=name, verdict=Verdict.PASS, reason="as declared")
    for gate, name in (
        (Gate.CONTRACT, "contract.suite.dispensing.quantity.range"),
        (Gate.CONTRACT, "contract.envelope.dispensing.quantity.range"),
        (Gate.AVAILABILITY, "availability.leak_probe"),
        (Gate.BUDGET, "budget.spent"),
    )
)


def decided(about: VersionReview, review: str = "none") -> VersionReview:
    findings = (*PASSED, *about.findings)
    facts = Facts(
        run=about.run,
        candidate=about.version,
        champion=about.champion,
        champion_at_decision=about.champion,
        review="required" if review == "required" else "none",
    )
    return replace(about, findings=findings, decision=decide(findings, facts))


def test_a_promoted_version_is_announced_first_and_how_to_go_back(reviewed: Make) -> None:
    page = version_page(decided(reviewed(2.0)))
    assert page.startswith("✔ Promoted")
    assert "gauntlet explain demand 4" in page
    assert "gauntlet rollback demand --to 3 --reason WHY" in page


def test_the_comparison_with_the_champion_comes_before_that_with_the_naive_forecast(
    reviewed: Make,
) -> None:
    """A changed recipe has both findings, and that about the naive forecast may be shown only."""
    about = reviewed(2.0)
    naive = make_finding(
        "recent_window.baseline",
        Verdict.FAIL,
        "not better than the naive forecast",
        Measurement(value=-0.6, threshold=0.3, interval=Interval(low=-1.2, high=0.1, level=0.9)),
        blocking=False,
    )
    page = version_page(decided(replace(about, findings=(naive, *about.findings))))
    assert page == version_page(decided(replace(about, findings=(*about.findings, naive))))
    [row] = [line for line in page.splitlines() if "**absolute_error**" in line]
    assert "✔&nbsp;pass" in row
    assert "-1.2 to" not in row


def test_a_version_of_a_backfill_is_not_announced_as_the_champion(reviewed: Make) -> None:
    about = replace(decided(reviewed(2.0)), lineage="lineage-1", version="backfill-4")
    title, _, page = version_page(about).partition("\n")
    assert title == f"↺ Backfill, as of {about.plan.as_of:%Y-%m-%d}: would have been promoted"
    assert "gauntlet explain demand backfill-4 --lineage lineage-1\n" in page
    assert "gauntlet rollback" not in page, "it never served"
    assert "models:/demand.backfill/4" in page
    assert version_page(replace(about, decision=None)).startswith("↺ Backfill: not decided yet\n")
    reviewed_spec = about.spec.model_copy(update={"review": "required"})
    assert headline(replace(about, spec=reviewed_spec)).startswith(f"{title}, if approved\n")
    worse = replace(decided(reviewed(-2.0)), lineage="lineage-1", spec=reviewed_spec)
    assert headline(worse).partition("\n")[0].endswith("would have been rejected")
    awaits = about.decision.model_copy(update={"outcome": Outcome.AWAIT_REVIEW})
    old = headline(replace(about, decision=awaits))
    assert "would have waited for an approval" in old, "an earlier release requested it"


def test_the_page_reports_what_the_year_has_left_and_corrects_the_gain(reviewed: Make) -> None:
    page = version_page(decided(reviewed(2.0)))
    row = next(line for line in page.splitlines() if line.startswith("| budget"))
    assert "as declared" in row, "the reason of budget.spent"
    assert "Corrected for having passed, its gain is +" in page
    assert "Corrected" not in version_page(decided(reviewed(-2.0))), "what failed has no such gain"


def test_a_rejected_version_names_the_gate_and_offers_no_approval(reviewed: Make) -> None:
    page = version_page(decided(reviewed(-2.0)))
    assert page.startswith("✘ Rejected")
    assert "recent_window.primary" in page
    assert "approve" not in page
    assert "rollback" not in page, "it never served, so there is nothing to roll back"


def test_a_harmed_slice_comes_first_and_is_the_reason(reviewed: Make) -> None:
    page = version_page(decided(reviewed(3.5, harm=5.5)))
    assert page.startswith("✘ Rejected")
    assert "medicine is insulin" in page.split("|")[0], "the headline must say which slice"
    table = slices_section(reviewed(3.5, harm=5.5))
    assert table.index("insulin") < table.index("ibuprofen")


def test_a_found_slice_shows_the_margin_of_the_search(reviewed: Make) -> None:
    about = reviewed(1.0)
    spec = about.spec.model_copy(update={"slices": (), "find_slices": SliceSearch(margin=0.7)})
    lines = slices_section(replace(about, spec=spec)).splitlines()
    row = next(line for line in lines if "medicine = insulin" in line)
    assert "-0.7" in row, "the review shows what loss is tolerated in a slice that was found"


def test_a_version_that_waits_shows_both_answers_with_its_evidence(reviewed: Make) -> None:
    about = decided(reviewed(2.0), review="required")
    page = version_page(about)
    assert page.startswith("? Waits for your approval")
    assert about.decision is not None
    answer = f"gauntlet approve demand 4 --by YOU --evidence {about.decision.evidence[:8]}"
    assert answer in page
    assert f"{answer} --refuse" in page


def test_a_first_version_is_held_against_the_naive_forecast(reviewed: Make) -> None:
    page = version_page(decided(reviewed(2.0, champion=False)))
    assert "naive forecast" in page
    assert "There is no champion" in page


def test_a_champion_worse_than_the_naive_forecast_is_an_alarm(reviewed: Make) -> None:
    page = version_page(decided(reviewed(2.0, naive=30.0)))
    assert "**Alarm: the champion is worse than the naive forecast" in page
    assert "Alarm" not in version_page(decided(reviewed(2.0)))


def test_an_undecided_page_has_the_numbers_already(reviewed: Make) -> None:
    about = reviewed(2.0)
    page = version_page(about)
    assert "not decided yet" in page
    assert "**absolute_error**" in page


@pytest.mark.parametrize("gain", [2.0, -2.0, 0.05])
def test_a_page_can_be_read_in_a_minute(reviewed: Make, gain: float) -> None:
    page = version_page(decided(reviewed(gain)))
    assert len(page.split()) < 400
    assert all(line.count("|") < 10 for line in page.splitlines())
    assert "nan" not in page.lower().split()


def test_the_page_has_the_dates_of_refit_and_twin_and_what_refitting_gained(reviewed: Make) -> None:
    about = reviewed(2.0)
    gained = make_finding("refresh.refit", Verdict.PASS, "refitting has gained 0.5", blocking=False)
    page = version_page(replace(about, findings=(*about.findings, gained)))
    refit, twin = (
        f"trained on {span.start:%Y-%m-%d} to {span.end:%Y-%m-%d}"
        for span in (about.plan.refit, about.plan.train)
    )
    assert f"the refit serves: {refit}, labels until 2026-01-05" in page
    assert f"was judged: {twin}, labels until 2025-11-24" in page
    assert "- refitting has gained 0.5" in page


def test_the_page_of_a_version_without_a_refit_has_one_training_span(reviewed: Make) -> None:
    about = reviewed(2.0)
    plan = about.plan.model_copy(update={"refit": None})
    page = version_page(replace(about, plan=plan))
    assert "- trained on 2" in page
    assert "twin" not in page


def test_the_page_shows_how_to_load_a_version_that_takes_no_whole_numbers(reviewed: Make) -> None:
    page = version_page(decided(reviewed(2.0)))
    assert 'mlflow.pyfunc.load_model("models:/demand/4")' in page
    assert 'rows = rows.astype(dict.fromkeys(numbers, "float64"))' in page


def test_changes_name_the_feature_and_not_its_position() -> None:
    before = {"features": [{"name": "a", "window": "7d"}, {"name": "b"}], "seeds": [1, 2]}
    after = {"features": [{"name": "new"}, {"name": "a", "window": "28d"}], "seeds": [1, 3]}
    assert recipe_changes(before, after) == (
        'features.a.window: "7d" -> "28d"',
        "features.b: removed",
        'features.new: added {"name":"new"}',
        "seeds: [1,2] -> [1,3]",
    )
    assert recipe_changes(before, before) == ()


def test_changes_are_on_the_page(reviewed: Make) -> None:
    about = replace(reviewed(1.0), changes=('features.a.window: "7d" -> "28d"',))
    assert "Changed since version 3" in version_page(about)
    assert "features.a.window" in version_page(about)
    assert "only the data are newer" in version_page(reviewed(1.0))


def test_plots_are_small_pictures_and_the_same_each_time(reviewed: Make) -> None:
    about = reviewed(1.0)
    rng = np.random.default_rng(1)
    actual = rng.poisson(30, 500).astype(float)
    shown: dict[str, Any] = {"level": 0.9, "actual": actual}
    shown |= {"predicted": actual + rng.normal(0, 3, 500)}
    made = evaluation_plots(about.evaluation, **shown)
    assert set(made) == {"daily", "losses", "slices", "calibration", "seeds"}
    again = evaluation_plots(about.evaluation, **shown)
    for name, plot in made.items():
        content = plot.svg_file()
        assert f"<title>{html_text(plot.title)}</title>".encode() in content, name
        assert len(content) < 60_000, name
        assert content == again[name].svg_file(), name
        assert plot.png().startswith(b"\x89PNG"), name
        assert plot.png() == again[name].png(), name
        assert plot.svg() == again[name].svg(), name


def test_plots_of_an_evaluation_without_data_are_none(reviewed: Make) -> None:
    empty = reviewed(1.0).evaluation.model_copy(
        update={"daily": (), "slices": (), "seeds": (), "comparisons": ()}
    )
    assert evaluation_plots(empty, level=0.9) == {}
    page = version_page(replace(reviewed(1.0), evaluation=empty))
    assert "### Gates" in page
