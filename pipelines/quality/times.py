"""Time bounds in suites: with a zone outside; UTC without one inside, as the tables are."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import UTC, datetime
from typing import Any


def naive_utc(value: str | datetime) -> datetime | None:
    """An ISO 8601 time as UTC without a zone (no zone means UTC); ``None`` when it is no time."""
    if isinstance(value, str):
        try:
            value = datetime.fromisoformat(value)
        except ValueError:
            return None
    return value.astimezone(UTC).replace(tzinfo=None) if value.tzinfo else value


def naive_bounds(kwargs: Mapping[str, Any], timestamps: Collection[str]) -> dict[str, Any]:
    """``kwargs`` with the bounds of a timestamp column as ISO 8601 in UTC without a zone."""
    if kwargs.get("column") not in timestamps:
        return dict(kwargs)
    changed = dict(kwargs)
    for key in ("min_value", "max_value"):
        if isinstance(kwargs.get(key), str | datetime):
            bound = naive_utc(kwargs[key])
            changed[key] = bound.isoformat() if bound else kwargs[key]
    return changed
