"""Metrics on matured labels, of all rows and by declared slice."""

from __future__ import annotations

from pydantic import Field

from pipelines.core.findings import Interval
from pipelines.core.records import Instant, Record


class Measure(Record):
    """One metric on the newest matured labels."""

    name: str
    value: float
    interval: Interval | None = Field(description="None: too few days")
    reference: float | None = Field(
        default=None, description="of the twin on its recent window, which did not train it"
    )
    wanted: float | None = Field(default=None, description="the ideal value, of a coverage")


class SliceMeasure(Record):
    """The metrics in one group of rows; the primary one decides whether it is worse."""

    column: str
    value: str
    rows: int
    metric: float
    interval: Interval | None = Field(description="None: too few days")
    reference: float | None = Field(
        default=None, description="of the twin in its recent window; None: too few rows there"
    )
    worse: bool = Field(
        description="the interval lies beyond the reference by more than the margin"
    )
    metrics: tuple[Measure, ...] = Field(default=(), description="all that exist for these rows")


class Measures(Record):
    """What matured labels say about the champion besides the metric by week."""

    start: Instant = Field(description="decision time of the first row")
    end: Instant = Field(description="decision time of the last row")
    labelled: int
    metrics: tuple[Measure, ...]
    slices: tuple[SliceMeasure, ...] = ()
