"""How far one week of a column is from its reference."""

from __future__ import annotations

from pydantic import Field

from pipelines.core.records import Instant, Record


class WeekDistance(Record):
    """The distance of one week."""

    week: Instant = Field(description="a Monday")
    distance: float
