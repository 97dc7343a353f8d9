"""Segments of entities by the value of one key, known in each request and in the log."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from pydantic import Field

from pipelines.core.names import Column
from pipelines.core.records import Record


class SegmentValues(Record):
    """The segments of some values of one key of the decision point."""

    column: Column
    values: tuple[str, ...] = Field(min_length=1, description="as text")

    def contains(self, entity: Mapping[str, Any]) -> bool:
        """Whether an entity is in one of the segments.

        >>> SegmentValues(column="line", values=("7",)).contains({"line": 7, "shop": "a"})
        True
        """
        return segment_of(entity, self.column) in self.values


def segment_of(entity: Mapping[str, Any], column: str) -> str | None:
    """The value of an entity's key as text; None if the entity has no such key."""
    value = entity.get(column)
    return None if value is None else segment_text(value)


def segment_words(column: str, values: Iterable[str]) -> str:
    """Segments in words; without a column, which older judgements do not name, their values.

    >>> segment_words("line", ("7", "9"))
    'line 7, line 9'
    """
    return ", ".join(f"{column} {value}" if column else value for value in values)


def segment_text(value: Any) -> str:
    """A value as segments declare it: ``true`` and ``false`` for truth values.

    >>> segment_text(7), segment_text(True), segment_text("north")
    ('7', 'true', 'north')
    """
    return str(value).lower() if type(value).__name__ in ("bool", "bool_") else str(value)
