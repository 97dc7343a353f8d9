"""How many rows of one week of training lie in the range of its other weeks."""

from __future__ import annotations

from pydantic import Field

from pipelines.core.records import Instant, Record


class WeekInside(Record):
    """The rows of one week."""

    week: Instant = Field(description="its Monday")
    rows: int = Field(ge=1)
    inside: int = Field(ge=0, description="of the rows, inside in every column")
