"""Rows of a live metric and the entities of one segment."""

from __future__ import annotations

from dataclasses import dataclass

from pipelines.core.arrays import Codes, Floats, Integers, Mask


@dataclass(frozen=True)
class MetricRows:
    """Rows of one metric.

    Arguments:
        entity: code of the row's entity, shape (m,).
        day: day of the prediction or event, counted from the start of the canary, shape (m,).
        value: values, NaN where missing, shape (m,).
        matured: whether the row has matured, with or without a value, shape (m,).
        weight: denominators of a ratio, shape (m,); None for one row per entity.
    """

    entity: Codes
    day: Integers
    value: Floats
    matured: Mask
    weight: Floats | None = None

    def where(self, kept: Mask) -> MetricRows:
        """A selection of the rows."""
        return MetricRows(
            entity=self.entity[kept],
            day=self.day[kept],
            value=self.value[kept],
            matured=self.matured[kept],
            weight=None if self.weight is None else self.weight[kept],
        )


@dataclass(frozen=True)
class SegmentMembers:
    """A metric restricted to the entities of one segment.

    Arguments:
        metric: name of the metric.
        members: whether each entity belongs to the segment, in the order of the entities, shape
            (n,). Membership is fixed before the entities enter their arms.
    """

    metric: str
    members: Mask
