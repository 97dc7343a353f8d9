"""Time bounds of suites, converted to UTC without a zone, as in the tables."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import UTC, datetime
from typing import Any


def naive_utc(value: str | datetime) -> datetime | None:
    """Convert an ISO 8601 time to UTC without a zone; ``None`` if it is not a time.

    A time without a zone is taken as UTC.
    """
    if isinstance(value, str):
        try:
            value = datetime.fromisoformat(value)
        except ValueError:
            return None
    return value.astimezone(UTC).replace(tzinfo=None) if value.tzinfo else value


def naive_bounds(kwargs: Mapping[str, Any], timestamps: Collection[str]) -> dict[str, Any]:
    """Convert the bounds of a timestamp column in ``kwargs`` to UTC without a zone."""
    if kwargs.get("column") not in timestamps:
        return dict(kwargs)
    changed = dict(kwargs)
    for key in ("min_value", "max_value"):
        if isinstance(kwargs.get(key), str | datetime):
            bound = naive_utc(kwargs[key])
            changed[key] = bound or kwargs[key]
    return changed
