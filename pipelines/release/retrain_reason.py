"""Retraining on reason: what monitoring found, and how often it may start a retraining."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from pydantic import Field

from pipelines.core.records import Instant, Record
from pipelines.core.time import duration_text, instant_text

if TYPE_CHECKING:
    from pipelines.spec.monitor import RetrainOnReason

YEAR = timedelta(days=365)


class RetrainReason(Record):
    """The recommendation of monitoring that a retraining follows."""

    as_of: Instant = Field(description="of the report")
    action: str
    alarms: tuple[str, ...] = Field(description="names of the alarms that it answers")
    cost: float | None = Field(description="loss a point; None: unknown")
    unit: str = Field(description="of the cost")

    @property
    def text(self) -> str:
        """The reason in one sentence."""
        cost = "unknown" if self.cost is None else f"{self.cost:.3g} {self.unit} a point"
        return (
            f"monitoring as of {instant_text(self.as_of)}: {self.action} because of "
            f"{', '.join(self.alarms)}; cost {cost}"
        )


def retraining_hold(
    past: Iterable[datetime], limits: RetrainOnReason | None, as_of: datetime
) -> str:
    """Why monitoring may not start a retraining at an instant; empty if it may.

    Arguments:
        past: instants of the retrainings on reason so far, in the order of time.
        limits: as declared; ``None`` if monitoring starts no retraining.
        as_of: the instant.
    """
    if limits is None:
        return "`monitor.retrain` is null"
    made = [at for at in past if as_of - YEAR < at <= as_of]
    if made and as_of < made[-1] + limits.cooldown:
        return (
            f"the last retraining on reason was as of {instant_text(made[-1])}, and "
            f"`monitor.retrain.cooldown` is {duration_text(limits.cooldown)}"
        )
    if len(made) >= limits.a_year:
        return (
            f"there were {len(made)} retrainings on reason in 365 days, and "
            f"`monitor.retrain.a_year` is {limits.a_year}"
        )
    return ""
