"""The asset ``champion``: it changes when another version answers, for all or for a segment."""

from datetime import timedelta
from types import SimpleNamespace
from typing import Any
from unittest.mock import Mock, patch

import pytest

from pipelines.release.rollout.segment_champions import SegmentChange
from tests.dags.conftest import ROOT, load
from tests.support.release.rollout_book import NOW, Book


def changed(book: Book, minutes: float) -> list[Any]:
    """The facts of the asset's events in a run that started so long after the entries."""
    reports = load(ROOT / "plugins" / "gauntlet_reports.py")
    outlet = load(ROOT / "plugins" / "gauntlet_assets.py").changes("demand")
    outlets = {outlet: Mock()}
    run = SimpleNamespace(start_date=NOW + timedelta(minutes=minutes), run_after=NOW)
    context = {"dag_run": run, "outlet_events": outlets}
    with patch.object(reports, "get_current_context", lambda: context):
        reports.change_champion("demand", SimpleNamespace(entries=lambda _: book.entries))
    return [call.kwargs["extra"] for call in outlets[outlet].add.mock_calls]


@pytest.mark.parametrize("version", ["2", None])
def test_another_version_for_a_segment_changes_the_asset(version: str | None) -> None:
    book = Book()
    change = SegmentChange(column="line", values=("7",), version=version)
    book.add("segment_promotion" if version else "segment_rollback", "next", segments=change)
    (facts,) = changed(book, -1)
    assert facts["segments"] == {"column": "line", "values": ["7"], "version": version}
    assert (facts["version"], facts["former"]) == ("1", "1"), "the champion of all others"
    assert changed(book, 1) == [], "the run started later"


def test_a_new_champion_changes_the_asset() -> None:
    book = Book()
    book.add("promotion", "next", after="5")
    (facts,) = changed(book, -1)
    assert facts == {"version": "5", "former": "1", "kind": "promotion"}
