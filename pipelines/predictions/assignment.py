"""Assignment of entities to arms and of requests to the shadow, by a keyed hash.

The assignment depends only on the salt, so all processes agree and nothing is stored. An entity's
place is an integer below 2**64: HMAC-SHA256 (RFC 2104) of its canonical JSON, with the salt as the
key. Arms are ranges of places that only grow at their upper end, so a ramp moves entities from
``champion`` into an arm and never between arms. For bucketing by a salted hash see Kohavi, Tang,
Xu, "Trustworthy Online Controlled Experiments" (2020), section 4.
"""

from __future__ import annotations

import hashlib
import hmac
import itertools
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from pydantic import Field

from pipelines.core.errors import DataError, SpecError
from pipelines.core.records import Instant, Record, canonical_json
from pipelines.predictions.segments import SegmentValues, segment_of
from pipelines.spec.fields import Share
from pipelines.spec.predictions import Arm

PLACES = 1 << 64
_HALF = PLACES // 2


class Allocation(Record):
    """How a rollout divides the traffic of one model at one moment.

    The challenger's arm gets ``share`` of the entities, and the concurrent control, which the
    champion answers, gets as many. The other entities are outside the experiment.
    """

    salt: str = Field(min_length=1, description="a rollout's own: used again, effects carry over")
    share: float = Field(default=0.0, ge=0, le=0.5, description="of entities, in each arm")
    shadow_share: Share = Field(default=0.0, description="of requests")
    apart: SegmentValues | None = Field(
        default=None, description="segments whose entities are in no arm, whatever their hash"
    )


class Ramp(Record):
    """The shares of a rollout so far, oldest first, each larger than the one before.

    ``shares[n]`` of the entities are in each arm from ``since[n]`` on.
    """

    salt: str
    since: tuple[Instant, ...]
    shares: tuple[float, ...]
    apart_column: str = ""
    apart_since: dict[str, Instant] = Field(
        default={}, description="segments in no arm from an instant on, by the value of that key"
    )
    control_column: str = ""
    control: dict[str, str] = Field(
        default={}, description="segments with a champion of their own: its version, likewise"
    )

    def left_at(self, entity: Mapping[str, Any]) -> datetime | None:
        """When an entity's segment left the arms; None if it did not."""
        return self.apart_since.get(segment_of(entity, self.apart_column) or "")

    def control_version(self, entity: Mapping[str, Any], version: str) -> str:
        """The version that answers an entity in the control arm.

        Arguments:
            entity: all of the model's keys.
            version: that of entities without a segment champion.
        """
        return self.control.get(segment_of(entity, self.control_column) or "", version)

    @property
    def began(self) -> datetime:
        """When the first entities entered an arm."""
        return self.since[0]


def arm_of(entity: Mapping[str, Any], allocation: Allocation) -> Arm:
    """The arm of an entity; the same on every call, process and machine.

    Entities of segments that are apart are in no arm: the version that answers them otherwise does.

    >>> [arm_of({"shop": n}, Allocation(salt="demo", share=0.3)).value for n in (1, 2, 8)]
    ['control', 'champion', 'challenger']

    Arguments:
        entity: all of the model's keys, with values of their declared types.
        allocation: the current division of the traffic.

    Raises:
        DataError: when the entity has no keys, or a value that is not valid JSON.
    """
    place = _entity_place(entity, allocation.salt)
    if allocation.apart is not None and allocation.apart.contains(entity):
        return Arm.CHAMPION
    return _arm(place, allocation.share)


def stage_of(entity: Mapping[str, Any], salt: str, shares: Sequence[float]) -> int | None:
    """The stage of a ramp at which an entity entered its arm, from 0; None if it did not.

    Stages are separate strata of the analysis: entities are compared with those that entered at
    the same stage.

    Arguments:
        entity: as for ``arm_of``.
        salt: salt of the rollout.
        shares: share of each stage so far, each larger than the one before, in (0, 0.5].

    Raises:
        DataError: as ``arm_of``.
        SpecError: when the shares do not grow.
    """
    bounds = (0.0, *shares)
    if any(low >= high for low, high in itertools.pairwise(bounds)) or bounds[-1] > 0.5:
        raise SpecError(
            "the stages of a ramp do not grow",
            got=f"shares {list(shares)}",
            wanted="each larger than the one before, the last at most 0.5",
            hint="a smaller share is another experiment: begin it with a salt of its own",
        )
    place = _entity_place(entity, salt)
    entered = (n for n, share in enumerate(shares) if _arm(place, share) is not Arm.CHAMPION)
    return next(entered, None)


def in_shadow(request_id: str, allocation: Allocation) -> bool:
    """Whether the challenger answers a request in shadow, whatever the arm of its entity."""
    return _place("request", request_id, allocation.salt) < _below(allocation.shadow_share)


def _arm(place: int, share: float) -> Arm:
    if place < _below(share):
        return Arm.CHALLENGER
    return Arm.CONTROL if _HALF <= place < _HALF + _below(share) else Arm.CHAMPION


def _below(share: float) -> int:
    """Number of places in a share. Exact, because scaling a float by a power of two is exact."""
    return int(share * PLACES)


def _entity_place(entity: Mapping[str, Any], salt: str) -> int:
    if not entity:
        raise DataError("an entity without keys has no arm", wanted="a value for every key")
    try:
        return _place("entity", canonical_json({k: _whole(v) for k, v in entity.items()}), salt)
    except (TypeError, ValueError) as cause:
        raise DataError(
            "an entity's key is no text, number or truth value",
            got=f"{dict(entity)!r}: {cause}",
            wanted="values of the types that the declaration gives its columns",
        ) from cause


def _whole(value: Any) -> Any:
    """Whole floats become integers, because JSON has one number type: 7 and 7.0 are one key."""
    return int(value) if isinstance(value, float) and value.is_integer() else value


def _place(kind: str, text: str, salt: str) -> int:
    spelled = f"{kind}\n{text}".encode()
    return int.from_bytes(hmac.digest(salt.encode(), spelled, hashlib.sha256)[:8])
