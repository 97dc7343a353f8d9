"""One move of a challenger's trial, as the ledger keeps it."""

from __future__ import annotations

from enum import StrEnum

from pydantic import Field

from pipelines.core.records import Record
from pipelines.spec.fields import Share


class Stage(StrEnum):
    """Where a challenger stands. ``promoted`` and ``ended`` end the trial.

    ``holdback`` begins after a promotion, and what is beside the champion then is the former one.
    """

    SHADOW = "shadow"
    CANARY = "canary"
    PROMOTED = "promoted"
    HOLDBACK = "holdback"
    ENDED = "ended"


class Transition(Record):
    """From this move on, so much of the traffic sees the challenger."""

    challenger: str = Field(description="version that stands beside the champion")
    stage: Stage
    step: int = Field(default=0, ge=0, description="of the canary's ramp")
    share: float = Field(default=0.0, ge=0, le=0.5, description="of entities, in each arm")
    shadow_share: Share = Field(default=0.0, description="of requests")
    salt: str = Field(min_length=1, description="of this rollout alone: it decides who is where")
