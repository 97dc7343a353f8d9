"""A window of events that a person marked as broken, as the ledger keeps it."""

from __future__ import annotations

from typing import Self

from pydantic import Field, model_validator

from pipelines.core.records import Instant, Record
from pipelines.core.time import instant_text


class BrokenWindow(Record):
    """A window that is never trained on, until it is marked as mended."""

    start: Instant
    end: Instant = Field(description="not included")
    stream: str = Field(default="", description="whose events are wrong; empty: of all streams")
    column: str = Field(default="", description="whose values are wrong; empty: of all columns")
    by: str = Field(description="who marked it")
    mended: bool = Field(default=False, description="it is used again from here on")

    @model_validator(mode="after")
    def _order(self) -> Self:
        if self.end <= self.start:
            raise ValueError("a window ends after it starts")
        if self.column and not self.stream:
            raise ValueError("a column belongs to a stream")
        return self

    @property
    def text(self) -> str:
        """What is marked, in words."""
        where = f"{self.stream}.{self.column}" if self.column else self.stream or "all streams"
        state = "mended" if self.mended else "broken"
        return f"{where} {state} from {instant_text(self.start)} to {instant_text(self.end)}"

    @property
    def place(self) -> tuple[object, ...]:
        """What is marked; the newest mark of a place counts."""
        return (self.start, self.end, self.stream, self.column)
