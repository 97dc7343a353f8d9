"""Which comparison with the naive forecast is about a champion."""

from __future__ import annotations

from datetime import timedelta

from pipelines.core.findings import Verdict, make_finding
from pipelines.gates.champion.emergency import WORSE_THAN_NAIVE
from pipelines.release.champion_health import champion_health
from pipelines.release.policy import Facts
from tests.support.release.rollout_book import NOW, Book

WORSE = make_finding(WORSE_THAN_NAIVE, Verdict.FAIL, "worse", blocking=False)
LATER = NOW + timedelta(days=7)


def updated(book: Book, version: str) -> None:
    champion = book.entries[-1].champion_after
    facts = Facts(
        run=f"run-{version}",
        candidate=version,
        champion=champion,
        champion_at_decision=champion,
        lane="update",
    )
    book.add("promotion", facts.run, after=version, facts=facts)


def test_what_was_found_about_a_champion_stays_when_it_is_updated(book: Book) -> None:
    updated(book, "2")
    assert champion_health(book.entries, "2") is None
    book.add("decision", "weekly", as_of=LATER, findings=(WORSE,))
    updated(book, "4")
    for version in ("1", "2", "4"):
        assert champion_health(book.entries, version) == (WORSE, LATER)
    assert champion_health(book.entries, None) is None
    book.add("promotion", "better", after="5")
    assert champion_health(book.entries, "5") is None
