"""Champions of single segments: for these values of a key, another version answers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import Field

from pipelines.core.findings import slug
from pipelines.core.names import Column
from pipelines.core.records import Instant, Record
from pipelines.predictions.segments import SegmentValues, segment_of
from pipelines.release.registry import CHAMPION


class SegmentChange(SegmentValues):
    """A change of who answers some segments, as it is stored in the ledger."""

    version: str | None = Field(description="null: the champion answers them again")


class SegmentChampion(Record):
    """The version that answers one segment."""

    version: str
    since: Instant = Field(description="when its promotion was recorded")


class SegmentChampions(Record):
    """The segments that have a champion of their own; the champion answers all other entities."""

    column: Column
    champions: dict[str, SegmentChampion] = Field(min_length=1, description="by the key's value")

    @property
    def versions(self) -> tuple[str, ...]:
        """Their versions, each once."""
        return tuple(dict.fromkeys(one.version for one in self.champions.values()))

    @property
    def values(self) -> SegmentValues:
        """The segments."""
        return SegmentValues(column=self.column, values=tuple(self.champions))

    def version_of(self, entity: Mapping[str, Any], champion: str) -> str:
        """The version that answers an entity outside of any trial.

        Arguments:
            entity: all of the model's keys.
            champion: the version that answers entities without a segment champion.
        """
        found = self.champions.get(segment_of(entity, self.column) or "")
        return champion if found is None else found.version

    def described(self) -> str:
        """In words: ``line 7: version 4, line 9: version 5``."""
        named = (f"{self.column} {v}: version {c.version}" for v, c in self.champions.items())
        return ", ".join(named)

    def since_when(self) -> str:
        """In words with dates: ``line 7: version 4 since 2026-01-05``."""
        return ", ".join(
            f"{self.column} {value}: version {one.version} since {one.since:%Y-%m-%d}"
            for value, one in self.champions.items()
        )


def changed_champions(
    before: SegmentChampions | None, change: SegmentChange, since: Instant
) -> SegmentChampions | None:
    """The segments' champions after a change; None if there is none left.

    Segments of another column than before replace all of them.
    """
    same = before is not None and before.column == change.column
    champions = dict(before.champions) if before is not None and same else {}
    for value in change.values:
        champions.pop(value, None)
        if change.version is not None:
            champions[value] = SegmentChampion(version=change.version, since=since)
    if not champions:
        return None
    return SegmentChampions(column=change.column, champions=dict(sorted(champions.items())))


def segment_alias(value: str) -> str:
    """The alias in the registry of a segment's champion."""
    return f"{CHAMPION}-{slug(value)}"
