"""Stored formats: JSON with a schema number, read by later releases as well.

A reader ignores unknown fields and fills missing ones with their defaults, so a field with a
default may be added without a new schema number. Every other change needs a new number and an
upgrade from the one before. A number that is newer than this release knows is an error.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from typing import Any, Generic, TypeVar

from pipelines.core.errors import FormatError
from pipelines.core.records import Record, canonical_json

SCHEMA = "schema"

R = TypeVar("R", bound=Record)
Upgrade = Callable[[dict[str, Any]], dict[str, Any]]


class StoredFormat(Generic[R]):
    """How records of one class are stored.

    Arguments:
        name: what a stored record is called in errors, with an article.
        kind: the record's class. It has no field called ``schema``.
        upgrades: JSON objects of schema 1 to schema 2, of 2 to 3, and so on.

    Example:
        >>> from pipelines.core.records import Record
        >>> class Point(Record):
        ...     x: int
        ...     unit: str = "m"
        >>> points = StoredFormat("a point", Point)
        >>> points.to_text(Point(x=1))
        '{"schema":1,"unit":"m","x":1}'
        >>> points.from_text('{"schema":1,"x":1,"added_later":true}', "somewhere")
        Point(x=1, unit='m')
    """

    def __init__(self, name: str, kind: type[R], upgrades: tuple[Upgrade, ...] = ()) -> None:
        self.name, self.kind, self.upgrades = name, kind, upgrades

    @property
    def schema(self) -> int:
        """The schema number that this release writes, and the newest that it reads."""
        return 1 + len(self.upgrades)

    def to_json(self, record: R) -> dict[str, Any]:
        """The record as JSON types, with every field and its schema number."""
        return {SCHEMA: self.schema, **record.as_json()}

    def to_text(self, record: R) -> str:
        """The record as canonical JSON with its schema number."""
        return canonical_json(self.to_json(record))

    def from_json(self, value: Any, where: str) -> R:
        """The record that was stored as this JSON value.

        Arguments:
            value: parsed JSON.
            where: file, key or row, for errors.

        Raises:
            FormatError: when it was written in a newer schema.
            ValueError: when it is not such a record.
        """
        if not isinstance(value, dict):
            raise ValueError(f"{self.name} is not a JSON object")
        fields = dict(value)
        found = check_schema_number(fields.pop(SCHEMA, None), self.schema, self.name, where)
        for upgrade in self.upgrades[found - 1 :]:
            fields = upgrade(fields)
        return self.kind.from_stored(fields)

    def from_text(self, text: str | bytes, where: str) -> R:
        """The record that was stored as this JSON text. Raises as ``from_json``."""
        return self.from_json(json.loads(text), where)


def check_schema_number(found: Any, known: int, name: str, where: str) -> int:
    """The schema number of something stored, if this release can read it.

    Arguments:
        found: the number that was stored.
        known: the newest number that this release reads.
        name: what was stored, for errors.
        where: file, key or row, for errors.

    Raises:
        FormatError: when the number is newer than ``known``.
        ValueError: when it is not a schema number.
    """
    if not isinstance(found, int) or isinstance(found, bool) or found < 1:
        raise ValueError(f"{name} has no schema number")
    if found > known:
        raise FormatError(
            f"{name} was written by a newer release",
            where=where,
            got=f"schema {found}",
            wanted=f"schema {known} or older",
            hint="upgrade this installation to the release that wrote it, or newer",
        )
    return found


_SEALED = '{"sha256":"%s","record":'


def seal(text: str) -> bytes:
    """The content of a JSON file with the exact bytes of ``text`` and their SHA-256."""
    body = text.encode()
    return (_SEALED % hashlib.sha256(body).hexdigest()).encode() + body + b"}"


def unseal(content: bytes) -> bytes:
    """The bytes that were passed to ``seal``.

    Raises:
        ValueError: when the content is not what was written.
    """
    start = len(_SEALED % ("0" * 64))
    body = content[start:-1]
    if content != (_SEALED % hashlib.sha256(body).hexdigest()).encode() + body + b"}":
        raise ValueError("its own hash does not match")
    return body
