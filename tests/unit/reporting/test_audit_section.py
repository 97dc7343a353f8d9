"""What a reviewer must find on the page of a version whose recipe has changed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from pipelines.core.findings import Finding, Gate, Verdict
from pipelines.gates.audit.audit import audit
from pipelines.gates.audit.record import Audit
from pipelines.reporting.markdown import signed_number
from pipelines.reporting.retraining.sections import VersionReview
from pipelines.reporting.retraining.version_page import version_page
from pipelines.training.row_sets import AuditData, RecipeView
from tests.montecarlo.test_audit_null import AS_OF, recipe, rows

Make = Callable[..., VersionReview]
TITLE = "### Audit: where the offline gain comes from"


@pytest.fixture(scope="module")
def trimmed() -> Audit:
    """A recipe that leaves large sizes, which are hard, out of training and of its own exam."""
    rng = np.random.default_rng(7)
    training, recent = rows(rng, "2026-01-05", 56), rows(rng, "2026-03-04", 28)
    for part in (training, recent):
        part["label"] += (part["size"] > 1.0) * rng.normal(0, 3, len(part))
    small = [part[part["size"] <= 1.0] for part in (training, recent)]
    audit_data = AuditData(
        champion=RecipeView(recipe(1)),
        candidate=RecipeView(recipe(1)),
        training={"champion": training, "candidate": small[0]},
        recent={("champion", "champion"): recent, ("candidate", "champion"): small[1]},
    )
    return audit(audit_data, as_of=AS_OF, against="version 3")


@pytest.fixture
def page(reviewed: Make, trimmed: Audit) -> str:
    about = reviewed(2.0)
    return version_page(
        replace(about, audit=trimmed, findings=(*about.findings, *trimmed.findings))
    )


def test_the_gain_is_split_into_model_rows_and_labels(page: str, trimmed: Audit) -> None:
    assert trimmed.own is not None
    section = page[page.index(TITLE) :]
    for name in ("model", "rows", "labels"):
        (line,) = (line for line in section.splitlines() if line.startswith(f"| - new {name}"))
        assert f" {signed_number(trimmed.own.terms[name])}&emsp;" in line, line
    assert f"own rows weighted to live&emsp; | {signed_number(trimmed.weighted.gain)}" in section
    assert "never decides" in section


def test_live_points_come_first_and_a_flip_of_the_sign_cannot_be_missed(
    page: str, trimmed: Audit
) -> None:
    assert trimmed.finding("audit.sign_flip").verdict is Verdict.FAIL, "this is what was planted"
    section = page[page.index(TITLE) :]
    assert section.splitlines()[2] == "**✘ fail: the sign flips**"
    assert section.index("on live points, which decide") < section.index("new model")
    assert trimmed.live.difference is not None
    assert f"**{signed_number(trimmed.live.difference.estimate)}**" in section


def test_rows_that_left_and_how_far_that_leads_from_live_points(page: str) -> None:
    (training,) = (line for line in page.splitlines() if line.startswith("- training rows:"))
    (scored,) = (line for line in page.splitlines() if line.startswith("- rows scored:"))
    for line in (training, scored):
        assert "drops size above" in line, "sizes above 1.0 were left out"
        assert "% of rows" in line
    (far,) = (line for line in page.splitlines() if line.startswith("- how far from live points"))
    for whose in ("the champion's training", "the candidate's training", "own scored rows 0."):
        assert whose in far
    assert far.count(" to ") == 3, "each area has its interval"


def test_the_page_of_a_changed_recipe_is_still_read_in_about_a_minute(page: str) -> None:
    """At 240 words a minute, of prose; half of the page are tables that are glanced over."""
    assert len(page[page.index(TITLE) : page.index("### Where it comes from")].split()) < 180
    assert len(page.split()) < 600
    assert all(line.count("|") < 10 for line in page.splitlines())
    assert "nan" not in page.lower().split()


def test_without_a_changed_recipe_there_is_nothing_to_take_apart(reviewed: Make) -> None:
    assert "Audit" not in version_page(reviewed(2.0))


def test_an_audit_that_could_not_be_done_gives_a_reason(reviewed: Make) -> None:
    about = reviewed(2.0)
    why = Finding(
        gate=Gate.AUDIT, name="audit.live", verdict=Verdict.NO_DATA, reason="no common window"
    )
    page = version_page(replace(about, findings=(*about.findings, why)))
    assert "### Audit: not done\n\nNo common window." in page
