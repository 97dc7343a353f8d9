"""The entities for which production would request a prediction at one instant."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import TYPE_CHECKING

from pipelines.core.time import MICROSECOND, Window, epoch_us
from pipelines.features.decision_points import decision_points, point_grid, point_requests
from pipelines.features.engine.pre_aggregation import pre_aggregate
from pipelines.features.frame import as_known
from pipelines.spec.model import ModelSpec

if TYPE_CHECKING:
    import ibis


def newest_step(spec: ModelSpec, at: datetime) -> datetime:
    """The newest instant of a model's grid that is not after ``at``."""
    now = epoch_us(at)
    passed: int = now - point_grid(spec.frame).floor(now)
    return at - passed * MICROSECOND


def active_entities(
    spec: ModelSpec, streams: Mapping[str, ibis.Table], at: datetime
) -> list[dict[str, object]]:
    """The sorted keys of every entity that has a decision point at an instant of the grid.

    Arguments:
        spec: declaration of a model with grid points.
        streams: canonical tables.
        at: an instant of the grid; rows known later are not read.
    """
    known = {name: as_known(table, at) for name, table in streams.items()}
    sources = pre_aggregate(spec.frame, known, point_requests(spec.frame))
    keys = list(spec.points.keys)
    points = decision_points(spec.frame, known, sources, at, Window(at, at + MICROSECOND))
    found: list[dict[str, object]] = (
        points.select(keys).distinct().order_by(keys).to_pyarrow().to_pylist()
    )
    return found
