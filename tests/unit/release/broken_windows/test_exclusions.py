"""Broken windows in the ledger: as of an instant, for what a model reads, until they are mended."""

from datetime import timedelta
from pathlib import Path

import pytest

from pipelines.release.broken_windows.exclusions import with_exclusions
from pipelines.release.broken_windows.window import BrokenWindow
from pipelines.release.ledger import Entry
from pipelines.spec.load import load_model
from tests.support.ledger_entries import MONDAY, move

SPEC = load_model(Path(__file__).parents[4] / "models" / "demand.yaml")
DAY = timedelta(days=1)
WINDOW = BrokenWindow(start=MONDAY - 7 * DAY, end=MONDAY, stream="dispensing", by="Ada")


def chain(*marks: BrokenWindow) -> list[Entry]:
    """A mark a day, after an entry that begins the ledger."""
    entries = [Entry.append_to(move("run", None, "1"), None, MONDAY)]
    for day, mark in enumerate(marks, start=1):
        at = MONDAY + day * DAY
        draft = move(
            f"mark-{day}",
            "1",
            "1",
            kind="broken_window",
            reasons=("tablets",),
            as_of=at,
            broken=mark,
        )
        entries.append(Entry.append_to(draft, entries[-1], at))
    return entries


def excluded(entries: list[Entry], day: int) -> list[str]:
    spec = with_exclusions(SPEC, entries, MONDAY + day * DAY)
    assert spec.recipe == SPEC.recipe
    return [one.reason for one in spec.split.exclude]


def test_a_mark_counts_from_the_instant_on_at_which_it_was_made():
    entries = chain(WINDOW)
    assert [excluded(entries, day) for day in (0, 1, 9)] == [[], ["tablets"], ["tablets"]]


def test_a_mended_window_is_used_again_and_stays_out_of_older_runs():
    entries = chain(WINDOW, WINDOW.model_copy(update={"mended": True, "by": "Bo"}))
    assert [excluded(entries, day) for day in (1, 2)] == [["tablets"], []]


@pytest.mark.parametrize(
    ("stream", "column", "reads"),
    [
        ("", "", True),
        ("stock", "", True),
        ("dispensing", "quantity", True),
        ("dispensing", "price", False),
        ("delivery", "", False),
    ],
)
def test_only_what_the_model_reads_is_left_out(stream, column, reads):
    mark = WINDOW.model_copy(update={"stream": stream, "column": column})
    assert bool(excluded(chain(mark), 1)) is reads
