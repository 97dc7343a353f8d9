"""Window features: declared aggregates of past events, computed in as few passes as possible."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import timedelta
from itertools import groupby

import ibis
from ibis import _

from pipelines.core.time import Window, epoch_us
from pipelines.features.engine.interval_join import AT, cover
from pipelines.features.engine.pre_aggregation import (
    AggregateRequest,
    AggregateSpec,
    PreAggregated,
    Source,
)
from pipelines.features.engine.time_grid import TimeGrid, span
from pipelines.features.online.cadence import served_at, served_grid
from pipelines.spec.features import WindowFeature
from pipelines.spec.frame import FrameSpec

# A point's own instant, while features are looked up at an earlier one:
REQUESTED_AT = ":requested_at"
FEATURE = "feature:"  # prefix of computed columns, so that they do not clash with the row's


def window_requests(spec: FrameSpec, steps: TimeGrid) -> list[AggregateRequest]:
    """The aggregates of the window features, grouped by stream, keys and conditions."""

    def together(feature: WindowFeature) -> tuple[str, tuple[str, ...], str, timedelta]:
        return feature.stream, feature.by, repr(feature.where), feature.lag

    uses = []
    for _group, members in groupby(sorted(spec.window_features, key=together), key=together):
        group = list(members)
        first = group[0]
        place = f"features.{first.name}"
        asks = tuple(
            AggregateSpec(FEATURE + f.name, f.aggregate, f.column, span(f.window), f.quantile)
            for f in group
        )
        cadence = spec.cadence_of(first)
        finer = served_grid(steps, cadence).refined(ask.reach for ask in asks)
        uses.append(
            AggregateRequest(
                place,
                first.stream,
                first.where,
                first.by,
                asks,
                finer,
                cadence,
                span(first.lag),
            )
        )
    return uses


def with_windows(
    points: ibis.Table,
    uses: Sequence[AggregateRequest],
    sources: Mapping[Source, PreAggregated],
    window: Window | None = None,
) -> ibis.Table:
    """The points with every window feature, as production has it, as ``feature:<name>``.

    Arguments:
        points: with their instants.
        uses: from ``window_requests``.
        sources: from ``pre_aggregate``.
        window: holds all points; ``None``: they can be anywhere.
    """
    bare, counts = points, list[str]()
    for use in uses:
        source = sources[use.source]
        if window is not None:
            stale = span(use.cadence.every + use.cadence.delay) if use.cadence else 0
            first, end = epoch_us(window.start) - stale, epoch_us(window.end)
            source = source.visible_in(first, end, max(ask.reach for ask in use.asks))
        at_served, at_requested = (
            {AT: served_at(table[AT], use.cadence)} for table in (points, bare)
        )
        found = cover(
            points.mutate(**{REQUESTED_AT: points[AT]}, **at_served),
            bare.mutate(**at_requested),
            source,
            use.by,
            use.asks,
        )
        points = found.mutate(**{AT: found[REQUESTED_AT]}).drop(REQUESTED_AT)
        counts += [ask.name for ask in use.asks if ask.aggregate in ("count", "distinct")]
    return points.mutate(**{name: _[name].coalesce(0) for name in counts})
