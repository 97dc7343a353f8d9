"""How a champion is updated between retrainings."""

from __future__ import annotations

from datetime import timedelta

from pydantic import Field, field_validator

from pipelines.core.time import duration_text
from pipelines.spec.fields import Declaration, Span

SHORTEST, LONGEST = timedelta(minutes=1), timedelta(days=1)
FEWEST = 8  # earlier intervals that the bounds of the gate need; the recent window has them


class Update(Declaration):
    """Updates of the champion with `partial_fit`, on the points that have matured since."""

    every: Span = Field(
        description="length of the intervals of decision times, each of which is learned at once; "
        "also the time from one update to the next"
    )
    minimum_rows: int = Field(
        default=30, ge=1, description="new labelled points below which an update is skipped"
    )
    alpha: float = Field(
        default=0.01,
        gt=0,
        lt=0.5,
        description="chance that an ordinary week has an interval that the gate stops, if the "
        "errors of intervals are independent",
    )

    @field_validator("every")
    @classmethod
    def _length(cls, every: timedelta) -> timedelta:
        if not SHORTEST <= every <= LONGEST or LONGEST % every:
            raise ValueError(
                f"wanted a whole part of a day, from {duration_text(SHORTEST)} to "
                f"{duration_text(LONGEST)}"
            )
        return every
