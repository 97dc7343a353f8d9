"""One transition of a rollout, as it is stored in the ledger."""

from __future__ import annotations

from enum import StrEnum

from pydantic import Field

from pipelines.core.records import Record
from pipelines.gates.canary.refresh_gain import RefreshGain
from pipelines.predictions.segments import SegmentValues
from pipelines.spec.fields import Share


class Stage(StrEnum):
    """The stage of a rollout. The two promotions and ``ended`` end a trial.

    ``holdback`` follows a promotion: the second version is then the former champion.
    """

    SHADOW = "shadow"
    CANARY = "canary"
    PROMOTED = "promoted"
    PROMOTED_FOR_SEGMENTS = "promoted_for_segments"
    HOLDBACK = "holdback"
    ENDED = "ended"


class Transition(Record):
    """A change of stage. From then on, the second version receives the given share of traffic."""

    challenger: str = Field(description="version that answers beside the champion")
    stage: Stage
    step: int = Field(default=0, ge=0, description="of the canary's ramp")
    share: float = Field(default=0.0, ge=0, le=0.5, description="of entities, in each arm")
    shadow_share: Share = Field(default=0.0, description="of requests")
    salt: str = Field(
        min_length=1, description="of this rollout alone: it assigns entities to arms"
    )
    apart: SegmentValues | None = Field(
        default=None,
        description="segments that are in no arm: they left because of harm, or have a champion of "
        "their own that a refresh does not replace",
    )
    gain: RefreshGain | None = Field(
        default=None,
        description="where the canary of a refresh ends: what it gained, if only the canary can "
        "measure that",
    )
