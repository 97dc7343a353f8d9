"""When each version was champion of a segment, over the whole ledger."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import NamedTuple

from pipelines.release.ledger import Entry
from pipelines.release.rollout.segment_champions import SegmentChampion, SegmentChampions
from pipelines.release.rollout.state import segments_after


class SegmentPeriod(NamedTuple):
    """A time in which a version was champion of a segment.

    Arguments:
        column: the key that divides entities into segments.
        value: its value, as text.
        version: the version.
        start: when its promotion was recorded.
        end: when another version or the champion took its place; None: it is its champion.
    """

    column: str
    value: str
    version: str
    start: datetime
    end: datetime | None


def segment_periods(entries: Iterable[Entry]) -> tuple[SegmentPeriod, ...]:
    """The periods of all segment champions: those that have ended, in order, then the present ones.

    Arguments:
        entries: of one lineage, oldest first.
    """
    segments: SegmentChampions | None = None
    ended: list[SegmentPeriod] = []
    for entry in entries:
        after = segments_after(segments, entry)
        before, now = _champions(segments), _champions(after)
        ended += [
            _period(place, one, entry.recorded_at)
            for place, one in before.items()
            if now.get(place) != one
        ]
        segments = after
    return (*ended, *(_period(place, one, None) for place, one in _champions(segments).items()))


def _champions(segments: SegmentChampions | None) -> dict[tuple[str, str], SegmentChampion]:
    """By column and value."""
    if segments is None:
        return {}
    return {(segments.column, value): one for value, one in segments.champions.items()}


def _period(place: tuple[str, str], one: SegmentChampion, end: datetime | None) -> SegmentPeriod:
    return SegmentPeriod(*place, one.version, one.since, end)
