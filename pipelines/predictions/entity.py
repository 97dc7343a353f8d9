"""The keys of an entity as JSON, as they are logged and hashed, and back with their types."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from pipelines.core.time import instant_text, parse_instant
from pipelines.spec.fields import ColumnType, Scalar


def entity_json(keys: Mapping[str, Any]) -> dict[str, Scalar]:
    """The keys as JSON values: an instant becomes its text in UTC, all others stay as they are.

    An instant without a zone is in UTC, as in the canonical tables.

    >>> entity_json({"stop": 7, "departs_at": datetime(2026, 1, 5, 6)})
    {'stop': 7, 'departs_at': '2026-01-05T06:00:00Z'}
    """
    return {name: _json(value) for name, value in keys.items()}


def entity_values(entity: Mapping[str, Any], types: Mapping[str, ColumnType]) -> dict[str, Any]:
    """The keys with the values of the canonical tables, where instants have no zone.

    Arguments:
        entity: what ``entity_json`` returned.
        types: declared type of each key.

    Raises:
        TimeError: when the text of an instant cannot be read.
    """
    return {
        name: parse_instant(value).replace(tzinfo=None)
        if types.get(name) is ColumnType.TIMESTAMP and isinstance(value, str)
        else value
        for name, value in entity.items()
    }


def _json(value: Any) -> Any:
    if not isinstance(value, datetime):
        return value
    return instant_text(value if value.tzinfo else value.replace(tzinfo=UTC))
