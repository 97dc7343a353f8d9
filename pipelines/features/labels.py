"""Labels: the true values, for points whose label has matured."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import ibis
from ibis import _

from pipelines.core.errors import SpecError
from pipelines.core.time import Window, epoch_us
from pipelines.data.engines.tables import exact_number
from pipelines.features.conditions import holding
from pipelines.features.decision_points import point_grid
from pipelines.features.engine.interval_join import AT, cover
from pipelines.features.engine.pre_aggregation import (
    BORN,
    HAPPENED,
    KNOWN,
    VISIBLE,
    AggregateRequest,
    AggregateSpec,
    PreAggregated,
    Source,
)
from pipelines.features.engine.time_grid import TimeGrid, instant, micros, span
from pipelines.spec.fields import ColumnType
from pipelines.spec.frame import FrameSpec
from pipelines.spec.points import AggregateLabel, Label, LaterEventLabel, OwnRowLabel

LABEL, MATURED_AT = ":label", ":matured_at"


def label_requests(spec: FrameSpec, steps: TimeGrid) -> list[AggregateRequest]:
    """The pre-aggregation that the label needs; empty unless the label is an aggregate."""
    label = spec.label
    if not isinstance(label, AggregateLabel):
        return []
    horizon = span(label.horizon)
    asks = (AggregateSpec(LABEL, label.aggregate, label.column, horizon),)
    return [
        AggregateRequest(
            "label", label.stream, label.where, label.by, asks, steps.refined([horizon])
        )
    ]


@dataclass(frozen=True)
class LabelEvents:
    """The events that labels are made of.

    Arguments:
        streams: canonical tables; rows known after ``as_of`` are not in them.
        sources: with the cells of ``label_requests``.
        as_of: labels that mature later are missing.
        window: holds all points; ``None``: they can be anywhere.
    """

    streams: Mapping[str, ibis.Table]
    sources: Mapping[Source, PreAggregated]
    as_of: datetime
    window: Window | None = None

    def near(self, source: PreAggregated, reach: int, *, mirrored: bool = False) -> PreAggregated:
        """What the points can see of a source, which may be in reversed time."""
        if self.window is None:
            return source
        first, end = epoch_us(self.window.start), epoch_us(self.window.end)
        return source.visible_in(*((1 - end, 1 - first) if mirrored else (first, end)), reach)


def with_label(
    spec: FrameSpec, label: Label, points: ibis.Table, bare: ibis.Table, known: LabelEvents
) -> ibis.Table:
    """The points with ``:label`` and ``:matured_at``.

    ``:matured_at`` is the decision time plus horizon plus delay; before it the label is missing.

    - aggregate: over the events of ``[point, point + horizon)`` that are known as of ``as_of``;
      float64. Without an event it is ``label.empty``, or missing where none is declared.
    - later_event: the column of the first event after the point's instant and before
      ``point + horizon``. An event at the same instant (such as the point's own row) is not later.
      Events without a value are skipped. Of several at one event time the one known first counts,
      and of several known first the largest value. Without an event it is ``label.absent``.
    - own_row: the row's column, if it became known by ``point + horizon`` and, with the delay
      added, by ``as_of``.

    Booleans become 0 and 1.

    Raises:
        SpecError: when the label does not fit the types of its columns.
    """
    matures = _[AT] + span(label.horizon) + span(label.delay)
    points = points.mutate(**{MATURED_AT: instant(matures)})
    if isinstance(label, AggregateLabel):
        [use] = label_requests(spec, point_grid(spec))
        points = _aggregate(label, use, points, bare, known)
    elif isinstance(label, LaterEventLabel):
        points = _later_event(spec, label, points, bare, known)
    else:
        points = _own_row(spec, label, points)
    matured = matures <= epoch_us(known.as_of)
    return points.mutate(**{LABEL: ibis.ifelse(matured, _[LABEL], None)})


def _aggregate(
    label: AggregateLabel,
    use: AggregateRequest,
    points: ibis.Table,
    bare: ibis.Table,
    known: LabelEvents,
) -> ibis.Table:
    """An aggregate after the point: each event is visible from a horizon before it."""
    source, horizon = known.sources[use.source], span(label.horizon)
    ahead = {BORN: _[BORN] - horizon, VISIBLE: _[BORN] - horizon}
    shifted = PreAggregated(source.cells.mutate(**ahead), source.events.mutate(**ahead))
    points = cover(points, bare, known.near(shifted, horizon), label.by, use.asks)
    value = _[LABEL].cast("float64")
    if label.aggregate == "count":
        value = value.nullif(0.0)
    if label.empty is not None:
        value = value.coalesce(exact_number(label.empty))
    return points.mutate(**{LABEL: value})


def _later_event(
    spec: FrameSpec,
    label: LaterEventLabel,
    points: ibis.Table,
    bare: ibis.Table,
    known: LabelEvents,
) -> ibis.Table:
    """The first event after each point, found as the last event before it in reversed time."""
    columns = spec.streams[label.stream].columns
    events = holding(known.streams[label.stream], label.where, columns, "label")
    ask = AggregateSpec(LABEL, "last", label.column, span(label.horizon) - 1)
    happened = {HAPPENED: -micros(_.event_time), KNOWN: -micros(_.known_time)}
    born = {BORN: _[HAPPENED] + 1, VISIBLE: _[HAPPENED] + 1}
    backwards = events.mutate(**happened).mutate(**born)
    mirrored = {AT: -_[AT]}
    found = cover(
        points.mutate(**mirrored),
        bare.mutate(**mirrored),
        known.near(PreAggregated(backwards, backwards), ask.reach, mirrored=True),
        label.by,
        [ask],
    )
    labelled = found.mutate(**mirrored, **{LABEL: _plain(_[LABEL], columns, label)})
    if label.absent is None:
        return labelled
    return labelled.mutate(**{LABEL: _[LABEL].coalesce(_absent(label, columns[label.column]))})


def _own_row(spec: FrameSpec, label: OwnRowLabel, points: ibis.Table) -> ibis.Table:
    columns = spec.point_stream.columns
    if columns[label.known_at] is not ColumnType.TIMESTAMP:
        raise SpecError(
            "the time at which a label becomes known is no time",
            where="label.known_at",
            got=f"{label.known_at} of type {columns[label.known_at].value}",
            wanted="a column of type timestamp",
        )
    in_time = micros(_[label.known_at]) <= _[AT] + span(label.horizon)
    return points.mutate(
        **{LABEL: ibis.ifelse(in_time, _plain(_[label.column], columns, label), None)}
    )


def _plain(value: Any, columns: Mapping[str, ColumnType], label: Any) -> Any:
    return value.cast("int64") if columns[label.column] is ColumnType.BOOLEAN else value


def _absent(label: LaterEventLabel, column: ColumnType) -> Any:
    absent = label.absent
    fits = {
        ColumnType.STRING: isinstance(absent, str),
        ColumnType.FLOAT: isinstance(absent, int | float),
        ColumnType.INTEGER: isinstance(absent, int),
        ColumnType.BOOLEAN: isinstance(absent, bool) or absent in (0, 1),
    }
    if not fits.get(column, False):
        raise SpecError(
            "the label for an absent event is of another type than its column",
            where="label.absent",
            got=f"{absent!r} for a column of type {column.value}",
            wanted=f"a value of type {column.value}, or null",
        )
    if column is ColumnType.FLOAT and isinstance(absent, int | float):
        return exact_number(float(absent))
    kind = "string" if column is ColumnType.STRING else "int64"
    return ibis.literal(int(absent) if isinstance(absent, bool) else absent).cast(kind)
