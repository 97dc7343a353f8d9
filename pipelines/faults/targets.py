"""Which part of a model's events a fault is planted in."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

from pipelines.faults.fault import EVENT, KNOWN, Part, Target
from pipelines.spec.features import AttributeFeature, WindowFeature
from pipelines.spec.fields import ColumnType
from pipelines.spec.model import ModelSpec
from pipelines.spec.points import OwnRowLabel

_NUMBERS = (ColumnType.FLOAT, ColumnType.INTEGER)


def find_target(spec: ModelSpec, part: Part, end: datetime) -> Target | None:
    """The target of a kind of fault; ``None`` where the model has no such part.

    Faults of numbers concern the label's column if it is a number, else the first number that a
    feature reads. A feed is a stream that features read and that makes no decision points, if there
    is one.

    Arguments:
        spec: the model's declaration.
        part: what the fault concerns.
        end: UTC without a zone; the newest instant at which rows are known.
    """
    places = {
        "number": _numbers,
        "category": _categories,
        "label": _label_columns,
        "feed": _feeds,
        "rows": _label_streams,
        "id": _ids,
        "known-time column": _known_columns,
    }
    found = next(places[part](spec), None)
    if found is None:
        return None
    stream, column = found
    declared = spec.streams[stream]
    keys = tuple(key for key in spec.points.keys if key in declared.columns)
    times = {declared.known_column: KNOWN, declared.event_time: EVENT}
    return Target(stream, column, tuple(times.get(one, one) for one in declared.id), keys, end)


def _label_columns(spec: ModelSpec) -> Iterator[tuple[str, str]]:
    stream, column = _label_stream(spec), spec.label.column
    if column is not None:
        yield stream, column


def _numbers(spec: ModelSpec) -> Iterator[tuple[str, str]]:
    read = [*_label_columns(spec), *_read_columns(spec)]
    yield from (one for one in read if spec.streams[one[0]].columns[one[1]] in _NUMBERS)


def _categories(spec: ModelSpec) -> Iterator[tuple[str, str]]:
    attributes = [
        (spec.points.stream, one.source)
        for one in spec.features
        if isinstance(one, AttributeFeature)
    ]
    keys = [(spec.points.stream, key) for key in spec.points.keys]
    for stream, column in (*attributes, *keys):
        if spec.streams[stream].columns[column] is ColumnType.STRING:
            yield stream, column


def _feeds(spec: ModelSpec) -> Iterator[tuple[str, str]]:
    read = [stream for stream, _ in _read_columns(spec)]
    others = [stream for stream in read if stream != spec.points.stream]
    yield from ((stream, "") for stream in (*others, spec.points.stream))


def _label_streams(spec: ModelSpec) -> Iterator[tuple[str, str]]:
    yield _label_stream(spec), ""


def _ids(spec: ModelSpec) -> Iterator[tuple[str, str]]:
    yield from (one for one in _label_streams(spec) if spec.streams[one[0]].id)


def _known_columns(spec: ModelSpec) -> Iterator[tuple[str, str]]:
    yield from (one for one in _label_streams(spec) if spec.streams[one[0]].known_column)


def _label_stream(spec: ModelSpec) -> str:
    label = spec.label
    return spec.points.stream if isinstance(label, OwnRowLabel) else label.stream


def _read_columns(spec: ModelSpec) -> Iterator[tuple[str, str]]:
    for feature in spec.features:
        if isinstance(feature, WindowFeature) and feature.column is not None:
            yield feature.stream, feature.column
        elif isinstance(feature, AttributeFeature):
            yield spec.points.stream, feature.source
