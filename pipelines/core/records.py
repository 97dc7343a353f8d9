"""Frozen records, their one canonical spelling as JSON, and the hash of that spelling."""

from __future__ import annotations

import hashlib
import json
from datetime import datetime
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, ConfigDict, PlainSerializer

from pipelines.core.time import instant_text, utc

Instant = Annotated[datetime, AfterValidator(utc), PlainSerializer(instant_text, return_type=str)]


class Record(BaseModel):
    """A frozen value object. Unknown keys and numbers that are not finite are refused."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    def as_json(self) -> dict[str, Any]:
        """The record as JSON types: the same record always gives the same value."""
        return self.model_dump(mode="json")

    @property
    def digest(self) -> str:
        """SHA-256 of the canonical JSON, 64 hexadecimal digits."""
        return digest_of(self.as_json())


def canonical_json(value: Any) -> str:
    """JSON with sorted keys and no white space: one spelling for one value.

    >>> canonical_json({"b": 1, "a": [True, None]})
    '{"a":[true,null],"b":1}'

    Raises:
        ValueError: when a number is not finite.
    """
    return json.dumps(
        value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False
    )


def digest_of(value: Any) -> str:
    """SHA-256 of the canonical JSON of ``value``, 64 hexadecimal digits."""
    return hashlib.sha256(canonical_json(value).encode()).hexdigest()
