"""When each version was champion of a segment, over the whole ledger."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import NamedTuple

from pipelines.release.ledger import Entry
from pipelines.release.rollout.segment_champions import SegmentChampion, SegmentChampions
from pipelines.release.rollout.state import replaces_all, segments_after


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


def segment_periods(entries: Iterable[Entry], champion: str | None) -> tuple[SegmentPeriod, ...]:
    """The periods of segment champions: those that have ended, in order, then the present ones.

    Arguments:
        entries: of one lineage, oldest first.
        champion: only the periods while this version, or another one that it refreshed or that
            refreshed it, was champion of everything else; None: all.
    """
    segments: SegmentChampions | None = None
    answering: set[str | None] = set()  # since one version last replaced all
    found: list[tuple[SegmentPeriod, set[str | None]]] = []
    for entry in entries:
        after = segments_after(segments, entry)
        before, now = _champions(segments), _champions(after)
        found += [
            (_period(place, one, entry.recorded_at), answering)
            for place, one in before.items()
            if now.get(place) != one
        ]
        if replaces_all(entry):
            answering = set()
        answering.add(entry.champion_after)
        segments = after
    present = _champions(segments).items()
    found += [(_period(place, one, None), answering) for place, one in present]
    return tuple(period for period, others in found if champion is None or champion in others)


def _champions(segments: SegmentChampions | None) -> dict[tuple[str, str], SegmentChampion]:
    """By column and value."""
    if segments is None:
        return {}
    return {(segments.column, value): one for value, one in segments.champions.items()}


def _period(place: tuple[str, str], one: SegmentChampion, end: datetime | None) -> SegmentPeriod:
    return SegmentPeriod(*place, one.version, one.since, end)
