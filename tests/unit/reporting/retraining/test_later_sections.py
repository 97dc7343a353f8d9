"""What later steps put into a report: the rollout with its confidence sequences, and a drill."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import pytest

from pipelines.core.findings import Interval, Measurement, Verdict, make_finding
from pipelines.reporting.plots import evaluation_plots
from pipelines.reporting.retraining.later_sections import (
    LaterSection,
    drill_section,
    rollout_section,
    with_section,
)
from pipelines.reporting.retraining.report import report_page
from pipelines.reporting.retraining.sections import VersionReview
from pipelines.reporting.rollout_page import LatestCheck, rollout_histories
from tests.support.drill_matrix import MATRIX
from tests.unit.reporting.retraining.test_report import MOST_BYTES, parse
from tests.unit.reporting.retraining.test_version_page import decided
from tests.unit.reporting.test_rollout_page import NOW, WON, chain

Make = Callable[..., VersionReview]
HARM = "canary.harm.packs_sold"
DAYS = 40
CHARTS = {
    HARM: [(NOW + timedelta(days=day), 0.5 - 0.01 * day) for day in range(DAYS)],
    f"{HARM}/high": [(NOW + timedelta(days=day), 2.0 - 0.04 * day) for day in range(DAYS)],
}


def rollout(verdict: Verdict = Verdict.PASS) -> str:
    bound = Measurement(
        value=0.11, interval=Interval(low=None, high=0.44, level=0.99), threshold=0, unit="packs"
    )
    latest = LatestCheck(
        as_of=NOW,
        summary="the canary goes on",
        findings=(make_finding(HARM, verdict, "not shown to be worse than 0", bound),),
    )
    history = rollout_histories(chain(*WON[:3]))[-1]
    return rollout_section(history, latest, CHARTS)


def test_both_sections_are_filled_and_the_report_stays_small(reviewed: Make) -> None:
    about = decided(reviewed(2.0))
    assert about.evaluation is not None
    plots = evaluation_plots(about.evaluation, level=0.9)
    empty = report_page(about, {name: plot.svg_file() for name, plot in plots.items()})
    live = with_section(empty, LaterSection.ROLLOUT, rollout())
    page = with_section(live, LaterSection.DRILL, drill_section(MATRIX))
    assert len(page.encode()) < MOST_BYTES
    assert all(address.startswith("data:") for address in parse(page).requested)
    title = "<figcaption>packs_sold: gain +0.11, at most +0.44"
    stage, plot, review = (page.index(text) for text in ("◔ In canary", title, "✔ Promoted"))
    assert stage < plot < review, "the newest state comes first"
    assert "null_spike" in page
    assert "50%" in page
    again = with_section(page, LaterSection.ROLLOUT, rollout())
    assert again == page, "the same content gives the same report, and keeps the other section"
    assert with_section(page, LaterSection.ROLLOUT, "") != page


@pytest.mark.parametrize(
    ("verdict", "words"),
    [(Verdict.PASS, "no harm was shown"), (Verdict.FAIL, "harm was shown")],
)
def test_the_title_of_a_confidence_sequence_states_what_it_shows(
    verdict: Verdict, words: str
) -> None:
    assert f"at most +0.44 at any time; {words}</figcaption>" in rollout(verdict)


def test_a_report_without_a_place_for_a_section_stays_as_it_is() -> None:
    assert with_section("<p>old</p>", LaterSection.DRILL, "new") == "<p>old</p>"
