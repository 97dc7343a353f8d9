"""A comparison of two lineages in words and as a page."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from pipelines.release.lineage_comparison.comparison import (
    ChampionErrors,
    ComparedWeek,
    LineageComparison,
    LineageDecision,
)
from pipelines.release.lineage_comparison.difference import Difference
from pipelines.reporting.lineages.comparison_page import comparison_page
from pipelines.reporting.lineages.comparison_text import lines, sentences

AT = datetime(2025, 10, 6, 6, tzinfo=UTC)
WEEK = timedelta(days=7)
ERRORS = ChampionErrors(
    start=AT, end=AT + WEEK, points=1234, first=10.0, second=8.5, gain=1.5, low=-0.25, high=3.25
)


def decision(outcome: str, champion: str) -> LineageDecision:
    return LineageDecision(
        as_of=AT, outcome=outcome, candidate=champion, champion=champion, gain=0.5
    )


COMPARED = LineageComparison(
    model="demand",
    first="live",
    second="past",
    weeks=(
        ComparedWeek(
            as_of=AT,
            first=decision("hold", "1"),
            second=decision("promote", "backfill-1"),
            differences=(Difference.DATA_REVISION, Difference.CODE),
            champions=("1", "backfill-1"),
            errors=ERRORS,
        ),
        ComparedWeek(
            as_of=AT + WEEK,
            first=None,
            second=decision("hold", "backfill-1"),
            differences=(),
            champions=("1", "backfill-1"),
            no_errors="labels <b>have</b> not matured",
        ),
    ),
    data_as_of=AT + 2 * WEEK,
    metric="absolute_error",
    total=ERRORS,
)


def test_the_text_names_the_better_champions_and_their_uncertainty() -> None:
    *words, first, second = lines(COMPARED)
    assert "gain (90% interval): +1.5 (-0.25 to +3.25)" in first
    assert "differs by: data revision, code" in first
    assert "live: not run" in second
    text = " ".join(words)
    assert "Weeks decided by both lineages: 1; decisions that differ: 1." in text
    assert "the champions of live reach 10 absolute_error and those of past 8.5" in text
    assert "neither was shown to be better" in text
    assert "No week has labels" in " ".join(sentences(COMPARED.model_copy(update={"total": None})))


def test_the_page_needs_nothing_else_and_escapes_what_it_shows() -> None:
    page = comparison_page(COMPARED)
    assert page == comparison_page(COMPARED)
    assert "<h1>demand: live and past</h1>" in page
    assert "&lt;b&gt;have&lt;/b&gt;" in page
    assert not any(word in page for word in ("http://", "https://", "src="))
