"""How far around a decision point the events are that determine its row of the frame."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta

import ibis
from ibis import _

from pipelines.core.names import Column
from pipelines.core.time import Window, epoch_us
from pipelines.features.engine.time_grid import instant
from pipelines.spec.frame import FrameSpec
from pipelines.spec.points import AggregateLabel, GridPoints, LaterEventLabel


@dataclass(frozen=True)
class Reach:
    """The events of one stream that a point's row depends on; any of three kinds.

    Arguments:
        before: those known at the point that happened at most so long before it.
        after: those that happened less than so long after it, whenever they became known.
        own: those that became known at the point's instant, whenever they happened.
    """

    before: timedelta = timedelta(0)
    after: timedelta = timedelta(0)
    own: bool = False


def reaches(spec: FrameSpec) -> dict[str, Reach]:
    """The reach of a frame's points, features and label into each stream that they read.

    Serving makes features older, so it adds to the reach. Entities of grid points last for
    ``active_for``, and up to one step longer.
    """
    points, label = spec.points, spec.label
    before = {name: max(spans.values()) for name, spans in reaches_by_keys(spec).items()}
    after: dict[str, timedelta] = {}
    if isinstance(label, AggregateLabel | LaterEventLabel):
        after[label.stream] = label.horizon
    return {
        name: Reach(
            before=before.get(name, timedelta(0)),
            after=after.get(name, timedelta(0)),
            own=name == points.stream and not isinstance(points, GridPoints),
        )
        for name in sorted({*before, *after})
    }


def reaches_by_keys(spec: FrameSpec) -> dict[str, dict[frozenset[Column], timedelta]]:
    """How far points and features reach back, by stream and by the keys of the events they read."""
    points = spec.points
    grid = points if isinstance(points, GridPoints) else None
    found: dict[str, dict[frozenset[Column], timedelta]] = {}

    def reach_back(stream: str, keys: Sequence[Column], span: timedelta) -> None:
        spans = found.setdefault(stream, {})
        spans[frozenset(keys)] = max(span, spans.get(frozenset(keys), timedelta(0)))

    reach_back(points.stream, points.keys, grid.active_for + grid.every if grid else timedelta(0))
    for feature in spec.window_features:
        cadence = spec.cadence_of(feature)
        stale = cadence.every + cadence.delay if cadence else timedelta(0)
        reach_back(feature.stream, feature.by, feature.window + feature.lag + stale)
    return found


def within_reach(
    streams: Mapping[str, ibis.Table], reach: Mapping[str, Reach], window: Window
) -> dict[str, ibis.Table]:
    """The rows of each stream that can affect the points of a window, and some others.

    Arguments:
        streams: canonical tables, in which no event is known before it happened.
        reach: of the frame.
        window: decision times of the points.
    """

    def near(table: ibis.Table, one: Reach) -> ibis.Table:
        start, end = window.start - one.before, window.end + one.after
        known, happened = (
            (_.known_time >= instant(ibis.literal(epoch_us(start)))),
            (_.event_time < instant(ibis.literal(epoch_us(end)))),
        )
        return table.filter(known, happened)

    return {name: near(streams[name], one) for name, one in reach.items()}
