"""The instant at which production computed the features that a decision point uses."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from pipelines.core.time import MICROSECOND, epoch_us
from pipelines.features.engine.time_grid import TimeGrid, span
from pipelines.spec.refresh import Refresh


def refresh_grid(refresh: Refresh) -> TimeGrid:
    """The grid of instants at which a view is materialized."""
    return TimeGrid(span(refresh.every), span(refresh.offset))


def last_refresh(at: datetime, refresh: Refresh) -> datetime:
    """The newest materialization that is not after ``at``; it may not be readable yet."""
    now = epoch_us(at)
    passed: int = now - refresh_grid(refresh).floor(now)
    return at - passed * MICROSECOND


def served_at(at: Any, refresh: Refresh | None) -> Any:
    """The newest materialization that can be read at ``at``.

    Arguments:
        at: microseconds since 1970: an integer, or an int64 column.
        refresh: refresh of the view; ``None``: features are computed on request, as of ``at``.

    Returns:
        Microseconds since 1970, like ``at``.
    """
    if refresh is None:
        return at
    return refresh_grid(refresh).floor(at - span(refresh.delay))


def served_grid(points: TimeGrid, refresh: Refresh | None) -> TimeGrid:
    """The coarsest known grid that contains ``served_at`` of every instant of ``points``."""
    if refresh is None:
        return points
    every = span(refresh.every)
    if points.size % every:
        return refresh_grid(refresh)
    # Every point is equally long after a materialization, so the grid is only shifted.
    return points.aligned_with(served_at(points.origin, refresh))
