"""When each version was champion of a segment."""

from __future__ import annotations

from datetime import timedelta

from pipelines.release.policy import Outcome
from pipelines.release.rollout.segment_champions import SegmentChange
from pipelines.release.rollout.segment_periods import SegmentPeriod, segment_periods
from tests.support.release.rollout_book import NOW, Book, judgement

DAY = timedelta(days=1)


def test_a_period_ends_with_another_version_a_rollback_or_a_champion_of_everything(
    book: Book,
) -> None:
    def change(day: int, kind: str, version: str | None, *values: str) -> None:
        book.now = NOW + day * DAY
        segments = SegmentChange(column="line", values=values, version=version)
        book.add(kind, f"{kind}-{day}", segments=segments)

    assert segment_periods(book.entries, None) == ()
    change(1, "segment_promotion", "2", "7", "8", "9")
    change(2, "segment_promotion", "3", "8")
    change(3, "segment_rollback", None, "9")
    change(5, "segment_promotion", "3", "7")
    assert segment_periods(book.entries, None) == (
        SegmentPeriod("line", "8", "2", NOW + DAY, NOW + 2 * DAY),
        SegmentPeriod("line", "9", "2", NOW + DAY, NOW + 3 * DAY),
        SegmentPeriod("line", "7", "2", NOW + DAY, NOW + 5 * DAY),
        SegmentPeriod("line", "7", "3", NOW + 5 * DAY, None),
        SegmentPeriod("line", "8", "3", NOW + 2 * DAY, None),
    )
    book.now = NOW + 6 * DAY
    book.add("rollback", "all", after="4")
    periods = segment_periods(book.entries, None)
    ends = {one.value: one.end for one in periods if one.version == "3"}
    assert ends == {"7": NOW + 6 * DAY, "8": NOW + 6 * DAY}


def test_the_periods_of_a_champion_are_those_while_it_answered_the_others(book: Book) -> None:
    def win(version: str, value: str) -> None:
        change = SegmentChange(column="line", values=(value,), version=version)
        book.add("segment_promotion", f"win-{version}", segments=change)

    def periods_of(champion: str) -> list[str]:
        return [one.value for one in segment_periods(book.entries, champion)]

    win("2", "7")
    refreshed = judgement("refresh", "3", "1", Outcome.PROMOTE, "refresh")
    book.add("promotion", "refresh", after="3", **refreshed)
    assert (periods_of("1"), periods_of("3")) == (["7"], ["7"]), (
        "a refresh replaces no segment champion"
    )
    book.add("promotion", "all", after="4")
    assert periods_of("4") == [], "it replaced all, and has answered every segment since"
    win("5", "8")
    assert (periods_of("3"), periods_of("4")) == (["7"], ["8"])
    book.add("rollback", "back", after="3")
    assert (periods_of("3"), periods_of("4")) == (["7"], ["8"])
