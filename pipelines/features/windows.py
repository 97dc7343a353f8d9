"""Window features: declared aggregates of past events, asked in as few passes as can be."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from itertools import groupby

import ibis
from ibis import _

from pipelines.core.errors import DataError, SpecError
from pipelines.features.clock import Steps, micros, span
from pipelines.features.conditions import holding
from pipelines.features.cover import BORN, HAPPENED, KNOWN, SEEN, Ask, cover
from pipelines.spec.features import WindowFeature
from pipelines.spec.fields import Column, ColumnType
from pipelines.spec.model import ModelSpec
from pipelines.spec.points import Aggregate

FEATURE = "feature:"  # before the names of computed columns: a row may have one of that name
LARGEST = 1e15  # of a value that is summed: beyond it a double has no room for billionths or units
_NUMBERS = (ColumnType.INTEGER, ColumnType.FLOAT, ColumnType.BOOLEAN)
ORDERED = (ColumnType.INTEGER, ColumnType.FLOAT, ColumnType.STRING, ColumnType.TIMESTAMP)


def with_windows(
    spec: ModelSpec, streams: Mapping[str, ibis.Table], points: ibis.Table, steps: Steps
) -> ibis.Table:
    """The points with every window feature as a column ``feature:<name>``.

    Features of one stream, keys and conditions are computed together, once for each different
    combination of keys and instant.

    Raises:
        SpecError: when an aggregate does not fit its column's type.
        DataError: when a value is too large to be summed.
    """
    features = [feature for feature in spec.features if isinstance(feature, WindowFeature)]

    def source(feature: WindowFeature) -> tuple[str, tuple[str, ...], str]:
        return feature.stream, feature.by, repr(feature.where)

    bare, counts = points, list[str]()
    for _group, members in groupby(sorted(features, key=source), key=source):
        group = list(members)
        first = group[0]
        place = f"features.{first.name}"
        check_keys(spec, first.stream, first.by, place)
        columns = spec.streams[first.stream].columns
        for feature in group:
            check_aggregate(feature.aggregate, feature.column, columns, f"features.{feature.name}")
        events = holding(streams[first.stream], first.where, columns, place)
        asks = [Ask(FEATURE + f.name, f.aggregate, f.column, span(f.window)) for f in group]
        check_sums(events, asks, first.stream)
        born = micros(_.event_time) + 1  # an event of the very instant is not seen
        events = events.mutate(
            **{
                BORN: born,
                SEEN: ibis.greatest(born, micros(_.known_time)),
                HAPPENED: micros(_.event_time),
                KNOWN: micros(_.known_time),
            }
        )
        finer = steps.finer(ask.reach for ask in asks)
        points = cover(points, bare, events, first.by, asks, finer)
        counts += [ask.name for ask in asks if ask.aggregate in ("count", "distinct")]
    return points.mutate(**{name: _[name].coalesce(0) for name in counts})


def check_aggregate(
    aggregate: Aggregate,
    column: Column | None,
    columns: Mapping[Column, ColumnType],
    place: str,
) -> None:
    """Refuses sums and means of what is no number, and extremes of what has no order.

    Raises:
        SpecError: when the aggregate does not fit the column's type.
    """
    wanted = {"sum": _NUMBERS, "mean": _NUMBERS, "min": ORDERED, "max": ORDERED}.get(aggregate)
    if wanted and (column is None or columns[column] not in wanted):
        raise SpecError(
            f"{aggregate} does not fit the type of its column",
            where=place,
            got="no column" if column is None else f"{column} of type {columns[column].value}",
            wanted=" or ".join(kind.value for kind in wanted),
        )


def check_keys(spec: ModelSpec, stream: str, by: Iterable[Column], place: str) -> None:
    """Refuses keys whose type differs between the point and the stream.

    Raises:
        SpecError: when they do, as then nothing would ever match.
    """
    point, there = spec.point_columns(), spec.streams[stream].columns
    for key in by:
        if point[key] != there[key]:
            raise SpecError(
                f"the key {key!r} has two types",
                where=place,
                got=f"{point[key].value} in the point, {there[key].value} in {stream}",
                wanted="the same type in both streams",
            )


def check_sums(events: ibis.Table, asks: Sequence[Ask], stream: str) -> None:
    """Refuses values that exact sums have no room for. Runs one small query.

    Raises:
        DataError: when a value is infinite or larger than 10 to the 15.
    """
    columns = sorted(
        {ask.column for ask in asks if ask.column and ask.aggregate in ("sum", "mean")}
    )
    if not columns:
        return
    sizes = {column: events[column].cast("float64").abs().max() for column in columns}
    found = events.aggregate(**sizes).to_pyarrow().to_pylist()[0]
    for column, size in found.items():
        if size is not None and size > LARGEST:
            raise DataError(
                "a value is too large for an exact sum",
                where=f"{stream}.{column}",
                got=f"{size:g}",
                wanted=f"finite numbers of at most {LARGEST:g} in size",
                do="correct the event, or exclude it with a condition (at_most, at_least)",
            )
