"""The description of a registered model is current: champion, since when, and its history."""

from __future__ import annotations

from datetime import UTC, datetime

from pipelines.release.ledger import Entry
from pipelines.reporting.retraining.model_page import model_page
from tests.support.ledger_entries import judged


def entry(day: int, before: str | None, after: str | None, kind: str = "decision") -> Entry:
    at = datetime(2026, 1, day, tzinfo=UTC)
    changes = {
        "as_of": at,
        "kind": kind,
        "champion_before": before,
        "champion_after": after,
    }
    made = judged(f"run-{day}").model_copy(update=changes)
    return Entry.append_to(made, None, at)


def test_the_description_names_the_champion_and_every_change_newest_first() -> None:
    entries = [entry(5, None, "1", "first_version"), entry(12, "1", "2"), entry(19, "2", "2")]
    page = model_page("demand", entries, "ops")
    assert page.startswith(
        "**Champion: [version 2](#/models/demand/versions/2?workflowType=machine_learning), "
        "since 2026-01-12.**"
    )
    assert "Owner: ops." in page
    assert "as of 2026-01-19" in page
    assert page.index("| 2026-01-12") < page.index("| 2026-01-05")
    assert "| 2026-01-19" not in page, "the champion did not change"


def test_the_description_of_a_model_without_a_champion() -> None:
    assert model_page("demand", [], "").startswith("**No champion yet.**")
