"""Features: attributes of the decision point, calendar parts, aggregates of past events."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from pipelines.core.names import Column, Name
from pipelines.core.time import duration_text
from pipelines.spec.fields import Condition, Declaration, Duration
from pipelines.spec.points import Aggregate


class AttributeFeature(Declaration):
    """A column of the decision point's own row, or one of its keys."""

    kind: Literal["attribute"]
    name: Name
    column: Column | None = Field(default=None, description="default: the feature's name")
    categorical: bool | None = Field(default=None, description="default: by the column's type")

    @property
    def source(self) -> str:
        """The column that is read."""
        return self.column or self.name

    @property
    def in_words(self) -> str:
        """Its definition in words."""
        return f"{self.source} of the request"


class CalendarFeature(Declaration):
    """A calendar part of the decision time, in the local time of a named zone."""

    kind: Literal["calendar"]
    name: Name
    part: Literal["hour", "weekday", "day", "month", "day_of_year"]
    zone: str = "UTC"

    @property
    def in_words(self) -> str:
        """Its definition in words."""
        return f"the {self.part} of the decision time in {self.zone!r}"


class WindowFeature(Declaration):
    """An aggregate by keys over the events of ``[point - window, point)`` known at the point.

    ``time_since`` is in days since the last event. Without events, ``count`` and ``distinct`` are 0
    and every other aggregate is missing.
    """

    kind: Literal["window"]
    name: Name
    stream: Name
    by: tuple[Column, ...] = Field(min_length=1, description="keys or attributes of the point")
    aggregate: Aggregate
    column: Column | None = None
    window: Duration
    where: tuple[Condition, ...] = ()

    @property
    def view(self) -> str:
        """The name of its feature view: one for each stream and entity."""
        return f"{self.stream}_by_{'_'.join(self.by)}".lower()

    @property
    def in_words(self) -> str:
        """Its definition in words; stream and keys are those of its view."""
        where = " and ".join(condition.in_words for condition in self.where)
        of = f"{self.aggregate} of {self.column or 'events'} over {duration_text(self.window)}"
        return f"{of} where {where}" if where else of

    @model_validator(mode="after")
    def _column(self) -> WindowFeature:
        if (self.column is None) != (self.aggregate in ("count", "time_since")):
            raise ValueError("count and time_since take no column, every other aggregate needs one")
        if not self.window:
            raise ValueError("a window has to be longer than nothing")
        return self


Feature = Annotated[AttributeFeature | CalendarFeature | WindowFeature, Field(discriminator="kind")]
