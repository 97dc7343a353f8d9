"""Names of the findings about the segments that a canary may promote for."""

from __future__ import annotations

from pipelines.core.findings import slug


def segment_gain_name(column: str, value: str) -> str:
    """The finding that says whether a segment gains.

    >>> segment_gain_name("line", "north")
    'canary.segment_gain.line.north'
    """
    return f"canary.segment_gain.{column}.{slug(value)}"
