"""The metric of weeks whose labels have not matured, estimated without them."""

from __future__ import annotations

from datetime import date
from typing import Literal

from pydantic import Field

from pipelines.core.findings import Interval
from pipelines.core.records import Record

Method = Literal["cbpe", "dle"]


class WeekEstimate(Record):
    """One week's metric as it was estimated from labels that had matured by its end."""

    start: date = Field(description="a Monday")
    points: int
    value: float
    realised: float | None = Field(description="from labels; None: they have not all matured")


class Estimates(Record):
    """Estimates of past weeks, which labels have confirmed or not, and of weeks to come.

    They hold only if labels depend on the features as before: a change of that dependence shows
    when labels mature, not here.
    """

    method: Method = Field(
        description="cbpe: expected metric of calibrated probabilities; dle: a regression of losses"
    )
    metric: str
    weeks: tuple[WeekEstimate, ...] = Field(description="oldest first")
    bias: float | None = Field(
        default=None, description="mean of estimate minus truth in past weeks; None: there is none"
    )
    interval: Interval | None = Field(
        default=None,
        description="of estimate minus truth in a further week; None: fewer than three past weeks",
    )

    @property
    def unknown(self) -> tuple[WeekEstimate, ...]:
        """The weeks whose labels have not all matured."""
        return tuple(week for week in self.weeks if week.realised is None)

    @property
    def known(self) -> tuple[WeekEstimate, ...]:
        """The weeks that labels have answered."""
        return tuple(week for week in self.weeks if week.realised is not None)
