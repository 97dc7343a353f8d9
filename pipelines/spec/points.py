"""Decision points and labels: when production predicts, and the true value afterwards."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated, Literal

from pydantic import Field, field_validator

from pipelines.core.names import Column, Name
from pipelines.spec.fields import Condition, Declaration, Duration, Keys, Scalar, Span


class EventPoints(Declaration):
    """Each event of a stream is a decision point, at its known time."""

    kind: Literal["event"]
    stream: Name
    keys: Keys = Field(min_length=1, description="the entity's columns")
    where: tuple[Condition, ...] = ()


class GridPoints(Declaration):
    """Every entity at every step of a grid, from its first known event until it is inactive."""

    kind: Literal["grid"]
    stream: Name = Field(description="stream whose events make an entity known")
    keys: Keys = Field(min_length=1)
    every: Span
    offset: Duration = Field(default=timedelta(0), description="after midnight UTC")
    active_for: Span = Field(
        default=timedelta(days=90),
        description="an entity without an event for so long has no points",
    )
    where: tuple[Condition, ...] = ()


Points = Annotated[EventPoints | GridPoints, Field(discriminator="kind")]
WindowAggregate = Literal[
    "count",
    "sum",
    "mean",
    "std",
    "min",
    "median",
    "quantile",
    "max",
    "last",
    "distinct",
    "time_since",
]


class _Label(Declaration):
    classes: tuple[Scalar, ...] | None = Field(
        default=None,
        min_length=2,
        description="values of a class label; of two, the second is the positive class. Needed "
        "for texts; default: 0 and 1",
    )

    @field_validator("classes")
    @classmethod
    def _distinct(cls, classes: tuple[Scalar, ...] | None) -> tuple[Scalar, ...] | None:
        if classes is not None and len(set(map(class_text, classes))) < len(classes):
            raise ValueError(f"classes have to differ: {list(classes)}")
        return classes


def class_text(value: object) -> str:
    """The name of a class: one text for 1, 1.0 and True, whatever type a store returns."""
    if isinstance(value, bool | int | float):
        return repr(float(value)).removesuffix(".0")
    return str(value)


class AggregateLabel(_Label):
    """An aggregate over ``[point, point + horizon)`` of a stream, by the point's keys."""

    kind: Literal["aggregate"]
    stream: Name
    by: Keys = Field(min_length=1)
    aggregate: Literal["count", "sum", "mean", "min", "max"]
    column: Column | None = None
    horizon: Span
    delay: Duration = Field(
        default=timedelta(0), description="until the horizon's events are known"
    )
    empty: float | None = Field(
        default=0.0, description="label when no event happened; null drops it"
    )
    where: tuple[Condition, ...] = ()


class LaterEventLabel(_Label):
    """A column of the first later event with the same keys, within the horizon."""

    kind: Literal["later_event"]
    stream: Name
    by: Keys = Field(min_length=1)
    column: Column
    horizon: Span
    delay: Duration = timedelta(0)
    absent: Scalar | None = Field(default=None, description="label when none came; null drops it")
    where: tuple[Condition, ...] = ()


class OwnRowLabel(_Label):
    """A column of the point's own row; another column contains the time at which it becomes known.

    Every point matures ``horizon + delay`` after its decision, even if its label came earlier,
    because early labels are a biased sample. Labels that come later are dropped and counted.
    """

    kind: Literal["own_row"]
    column: Column
    known_at: Column
    horizon: Duration
    delay: Duration = timedelta(0)


Label = Annotated[AggregateLabel | LaterEventLabel | OwnRowLabel, Field(discriminator="kind")]
