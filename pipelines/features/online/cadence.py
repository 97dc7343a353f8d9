"""The instant at which production computed the features that a decision point uses."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from pipelines.core.time import MICROSECOND, epoch_us
from pipelines.features.engine.time_grid import TimeGrid, span
from pipelines.spec.serving import Cadence


def cadence_grid(cadence: Cadence) -> TimeGrid:
    """The grid of instants at which a view is materialized."""
    return TimeGrid(span(cadence.every), span(cadence.offset))


def last_materialization(at: datetime, cadence: Cadence) -> datetime:
    """The newest materialization that is not after ``at``; it may not be readable yet."""
    now = epoch_us(at)
    passed: int = now - cadence_grid(cadence).floor(now)
    return at - passed * MICROSECOND


def served_at(at: Any, cadence: Cadence | None) -> Any:
    """The newest materialization that can be read at ``at``.

    Arguments:
        at: microseconds since 1970: an integer, or an int64 column.
        cadence: cadence of the view; ``None``: features are computed on request, as of ``at``.

    Returns:
        Microseconds since 1970, like ``at``.
    """
    if cadence is None:
        return at
    return cadence_grid(cadence).floor(at - span(cadence.delay))


def served_grid(points: TimeGrid, cadence: Cadence | None) -> TimeGrid:
    """The coarsest known grid that contains ``served_at`` of every instant of ``points``."""
    if cadence is None:
        return points
    every = span(cadence.every)
    if points.size % every:
        return cadence_grid(cadence)
    # Every point is equally long after a materialization, so the grid is only shifted.
    return points.aligned_with(served_at(points.origin, cadence))
