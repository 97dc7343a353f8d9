"""Frozen records, their canonical JSON, and hashes of their meaning."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, Any, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, PlainSerializer

from pipelines.core.time import instant_text, utc

Instant = Annotated[datetime, AfterValidator(utc), PlainSerializer(instant_text, return_type=str)]


class Record(BaseModel):
    """A frozen value object. Unknown fields and numbers that are not finite are errors."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    def as_json(self) -> dict[str, Any]:
        """The record as JSON types, with every field."""
        return self.model_dump(mode="json")

    def model_copy(self, *, update: Mapping[str, Any] | None = None, deep: bool = False) -> Self:
        """A copy with other values, which are not validated.

        Raises:
            TypeError: for a name that is not a field; Pydantic would ignore it.
        """
        if unknown := sorted(set(update or ()) - set(type(self).model_fields)):
            raise TypeError(f"{type(self).__name__} has no field {', '.join(unknown)}")
        return super().model_copy(update=update, deep=deep)

    @classmethod
    def from_stored(cls, value: Any) -> Self:
        """The record from stored JSON types. Unknown fields are ignored at every level.

        Raises:
            ValueError: when it is not such a record.
        """
        return cls.model_validate(value, extra="ignore")

    def meaning(self) -> dict[str, Any]:
        """The record as JSON types, without the fields that have their default, at every level.

        Adding a field with a default later does not change the result. Never change a default: that
        would change the meaning of records that were hashed before.
        """
        return self.model_dump(mode="json", exclude_defaults=True)

    @property
    def digest(self) -> str:
        """SHA-256 of the canonical JSON of ``meaning``, 64 hexadecimal digits."""
        return digest_of(self.meaning())


# Made once, because json.dumps makes an encoder for each call with options.
_CANONICAL = json.JSONEncoder(
    sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False
)


def canonical_json(value: Any) -> str:
    """JSON with sorted keys and no white space: each value has exactly one text.

    >>> canonical_json({"b": 1, "a": [True, None]})
    '{"a":[true,null],"b":1}'

    Raises:
        ValueError: when a number is not finite.
    """
    return _CANONICAL.encode(value)


def digest_of(value: Any) -> str:
    """SHA-256 of the canonical JSON of ``value``, 64 hexadecimal digits."""
    return sha256_text(canonical_json(value))


def sha256_text(text: str) -> str:
    """SHA-256 of a text in UTF-8, 64 hexadecimal digits."""
    return hashlib.sha256(text.encode()).hexdigest()
