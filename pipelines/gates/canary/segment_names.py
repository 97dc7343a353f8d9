"""Names of the findings about the segments that a canary may promote for."""

from __future__ import annotations

from pipelines.core.findings import slug

SEGMENT_GAIN = "canary.segment_gain"


def segment_gain_name(column: str, value: str) -> str:
    """The finding that says whether a segment gains.

    >>> segment_gain_name("line", "north")
    'canary.segment_gain.line.north'
    """
    return f"{SEGMENT_GAIN}.{column}.{slug(value)}"
