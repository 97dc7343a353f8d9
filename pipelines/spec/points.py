"""Decision points and labels: when production asks, and what turned out to be right."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated, Literal

from pydantic import Field

from pipelines.spec.fields import Column, Condition, Declaration, Duration, Name, Scalar


class EventPoints(Declaration):
    """Each event of a stream is a decision point, at the time when it became known."""

    kind: Literal["event"]
    stream: Name
    keys: tuple[Column, ...] = Field(min_length=1, description="the entity's columns")
    where: tuple[Condition, ...] = ()


class GridPoints(Declaration):
    """Every entity at every step of a clock, from when it was first known until it falls silent."""

    kind: Literal["grid"]
    stream: Name = Field(description="stream whose events make an entity known")
    keys: tuple[Column, ...] = Field(min_length=1)
    every: Duration
    offset: Duration = Field(default=timedelta(0), description="after midnight UTC")
    active_for: Duration = Field(
        default=timedelta(days=90),
        description="an entity without an event for so long has no points",
    )
    where: tuple[Condition, ...] = ()


Points = Annotated[EventPoints | GridPoints, Field(discriminator="kind")]
Aggregate = Literal["count", "sum", "mean", "min", "max", "last", "distinct", "time_since"]


class AggregateLabel(Declaration):
    """An aggregate over ``[point, point + horizon)`` of a stream, by the point's keys."""

    kind: Literal["aggregate"]
    stream: Name
    by: tuple[Column, ...] = Field(min_length=1)
    aggregate: Literal["count", "sum", "mean", "min", "max"]
    column: Column | None = None
    horizon: Duration
    delay: Duration = Field(
        default=timedelta(0), description="until the horizon's events are known"
    )
    empty: float | None = Field(
        default=0.0, description="label when no event happened; null drops it"
    )
    where: tuple[Condition, ...] = ()


class LaterEventLabel(Declaration):
    """A column of the first later event with the same keys, within the horizon."""

    kind: Literal["later_event"]
    stream: Name
    by: tuple[Column, ...] = Field(min_length=1)
    column: Column
    horizon: Duration
    delay: Duration = timedelta(0)
    absent: Scalar | None = Field(default=None, description="label when none came; null drops it")
    where: tuple[Condition, ...] = ()


class OwnRowLabel(Declaration):
    """A column of the point's own row that becomes known at the time another column tells.

    A point counts as matured ``horizon + delay`` after its decision, whenever its own label
    came: early answers are not a fair sample. Labels that are later still are dropped and counted.
    """

    kind: Literal["own_row"]
    column: Column
    known_at: Column
    horizon: Duration
    delay: Duration = timedelta(0)


Label = Annotated[AggregateLabel | LaterEventLabel | OwnRowLabel, Field(discriminator="kind")]
