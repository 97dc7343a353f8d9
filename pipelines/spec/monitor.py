"""Monitoring: when `gauntlet monitor` runs, and from which size on a change is an alarm."""

from __future__ import annotations

from pydantic import Field

from pipelines.core.cron import DAILY
from pipelines.spec.fields import Cron, Declaration, Share


class Monitoring(Declaration):
    """How a champion is watched. Monitoring decides nothing: it shows alarms and one action."""

    schedule: Cron | None = Field(
        default=DAILY, description="cron expression in UTC; null: by hand only"
    )
    weeks: int = Field(
        default=8, ge=2, le=53, description="weeks that are compared and shown, the newest included"
    )
    alpha: float = Field(
        default=0.01,
        gt=0,
        lt=0.5,
        description="chance of a false alarm about the champion's performance, of each week",
    )
    cost: float = Field(
        default=1.0,
        gt=0,
        description="loss from which performance, age or a better earlier version is an alarm, in "
        "minimum effects",
    )
    unseen_share: Share = Field(
        default=0.01, description="share of points with a value of a feature that training lacked"
    )
    silence: float = Field(
        default=2.0,
        gt=1,
        description="times its longest earlier pause after which a stream counts as silent",
    )
