"""Rows of a live metric, and the entities of one segment."""

from __future__ import annotations

from dataclasses import dataclass

from pipelines.core.arrays import Codes, Floats, Integers, Mask


@dataclass(frozen=True)
class MetricRows:
    """Rows of one metric.

    Arguments:
        entity: whose row it is, shape (m,).
        day: on which the prediction was made, counted from the canary's start, shape (m,).
        value: NaN where none came, shape (m,).
        matured: whether its time to come has passed, whatever came, shape (m,).
        weight: denominators of a ratio, shape (m,); without it, one row for each entity.
    """

    entity: Codes
    day: Integers
    value: Floats
    matured: Mask
    weight: Floats | None = None


@dataclass(frozen=True)
class SegmentMembers:
    """A metric of some of the entities.

    Arguments:
        metric: whose rows.
        members: the entities that count, in the order in which they are given, shape (n,). Fixed
            before any of them saw its arm.
    """

    metric: str
    members: Mask
