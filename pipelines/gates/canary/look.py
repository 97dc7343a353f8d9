"""One interim analysis of a canary, as reports keep it."""

from __future__ import annotations

from pydantic import Field

from pipelines.core.records import Record


class Look(Record):
    """A planned interim analysis of the whole matured weeks."""

    week: int
    estimate: float = Field(description="above zero, the challenger is better")
    statistic: float = Field(description="estimate, and margin if there is one, over its error")
    information: float
    share: float = Field(description="of the level, spent here")
    bound: float | None = Field(description="what the statistic needs; null: nothing to spend")

    @property
    def crossed(self) -> bool:
        """Whether the statistic reached the bound."""
        return self.bound is not None and self.statistic >= self.bound
