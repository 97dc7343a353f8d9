"""The parts of a declaration that determine the rows and columns of a frame."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from pipelines.core.names import Column
from pipelines.spec.features import (
    AttributeFeature,
    ExpressionFeature,
    Feature,
    WindowFeature,
)
from pipelines.spec.fields import ColumnType, Condition
from pipelines.spec.points import AggregateLabel, EventPoints, Label, LaterEventLabel, Points
from pipelines.spec.refresh import Refresh, Serving
from pipelines.spec.streams import Stream

_NUMBERS = (ColumnType.INTEGER, ColumnType.FLOAT, ColumnType.BOOLEAN)


@dataclass(frozen=True)
class FrameSpec:
    """Decision points with their features and label, and the streams that they read.

    ``ModelSpec.frame`` returns the one of a model. Make others with ``dataclasses.replace`` or from
    parts, for instance to compute labels only.

    Arguments:
        streams: declared streams, by name: every stream that points, features and label read.
        points: declaration of the decision points.
        label: declaration of the label; ``None`` for a frame without labels.
        features: features in the order of the frame's columns.
        serving: refresh of the window features in production; ``None``: computed on request.
    """

    streams: Mapping[str, Stream]
    points: Points
    label: Label | None
    features: tuple[Feature, ...]
    serving: Serving | None = None

    @property
    def point_stream(self) -> Stream:
        """The stream that decision points come from."""
        return self.streams[self.points.stream]

    @property
    def feature_names(self) -> tuple[str, ...]:
        """Names of the features, in declared order."""
        return tuple(feature.name for feature in self.features)

    @property
    def window_features(self) -> tuple[WindowFeature, ...]:
        """The features that are aggregates of past events."""
        return tuple(each for each in self.features if isinstance(each, WindowFeature))

    def refresh_of(self, feature: WindowFeature) -> Refresh | None:
        """The feature's refresh in the online store; ``None`` if it is computed on request."""
        return None if self.serving is None else self.serving.of(feature.view)

    def point_columns(self) -> dict[str, ColumnType]:
        """Columns of a decision point: its keys, and for event points the whole row."""
        columns = self.point_stream.columns
        if isinstance(self.points, EventPoints):
            return dict(columns)
        return {key: columns[key] for key in self.points.keys if key in columns}

    def point_operands(self, feature: ExpressionFeature) -> list[Column]:
        """The operands of an expression that are columns of the point and not features."""
        return [name for name in feature.parsed.operands if name not in self.feature_names]

    def type_of(self, feature: Feature) -> ColumnType:
        """The type of a feature's values."""
        if isinstance(feature, AttributeFeature):
            return self.point_columns()[feature.source]
        if isinstance(feature, WindowFeature) and feature.column and feature.keeps_type:
            return self.streams[feature.stream].columns[feature.column]
        return ColumnType.FLOAT

    def request_columns(self) -> dict[str, ColumnType]:
        """Columns of a request: keys, and columns that features are computed from or found by."""
        columns, needed = self.point_columns(), list(self.points.keys)
        for feature in self.features:
            if isinstance(feature, AttributeFeature):
                needed.append(feature.source)
            elif isinstance(feature, WindowFeature):
                needed += feature.by
            elif isinstance(feature, ExpressionFeature):
                needed += self.point_operands(feature)
        return {column: columns[column] for column in dict.fromkeys(needed)}


def frame_problems(frame: FrameSpec) -> Iterator[str]:
    """The contradictions in a frame's declaration, one sentence each."""
    yield from _stream_problems(frame)
    yield from _name_problems(frame)
    if frame.points.stream in frame.streams:
        yield from _point_problems(frame)
        yield from _expression_problems(frame)
    yield from _serving_problems(frame)


def _named_columns(frame: FrameSpec) -> Iterator[tuple[str, str, tuple[str, ...]]]:
    """Every reference to columns of a stream: place, stream, columns."""

    def named(column: str | None, where: tuple[Condition, ...]) -> tuple[str, ...]:
        return tuple(c for c in (column, *(condition.column for condition in where)) if c)

    points, label = frame.points, frame.label
    yield "points", points.stream, (*points.keys, *named(None, points.where))
    if isinstance(label, AggregateLabel | LaterEventLabel):
        yield "label", label.stream, (*label.by, *named(label.column, label.where))
    for feature in frame.window_features:
        columns = (*feature.by, *named(feature.column, feature.where))
        yield f"features.{feature.name}", feature.stream, columns


def _stream_problems(frame: FrameSpec) -> Iterator[str]:
    for place, stream, columns in _named_columns(frame):
        if stream not in frame.streams:
            declared = sorted(frame.streams)
            yield f"{place}: stream {stream!r} is not declared; there are {declared}"
            continue
        missing = sorted(set(columns) - set(frame.streams[stream].columns))
        if missing:
            declared = sorted(frame.streams[stream].columns)
            yield f"{place}: stream {stream!r} has no column {missing}; it declares {declared}"


def _name_problems(frame: FrameSpec) -> Iterator[str]:
    names = frame.feature_names
    for name in sorted({name for name in names if names.count(name) > 1}):
        yield f"features: the name {name!r} stands twice"


def _point_problems(frame: FrameSpec) -> Iterator[str]:
    """Columns that features and label need and that the decision point does not have."""
    point, label = frame.point_columns(), frame.label
    for feature in frame.features:
        needed: tuple[Column, ...] = ()
        if isinstance(feature, AttributeFeature):
            needed = (feature.source,)
        elif isinstance(feature, WindowFeature):
            needed = feature.by
        elif isinstance(feature, ExpressionFeature):
            needed = tuple(frame.point_operands(feature))
        missing = sorted(set(needed) - set(point))
        if missing:
            yield (
                f"features.{feature.name}: a decision point has no {missing}; "
                f"it has {sorted(point)}"
            )
    if label is None:
        return
    if isinstance(label, AggregateLabel | LaterEventLabel):
        missing = sorted(set(label.by) - set(point))
        if missing:
            yield f"label.by: a decision point has no {missing}; it has {sorted(point)}"
    elif isinstance(frame.points, EventPoints):
        missing = sorted({label.column, label.known_at} - set(point))
        if missing:
            yield f"label: the point's row has no {missing}; it has {sorted(point)}"
        leaks = sorted(
            feature.name
            for feature in frame.features
            if {label.column, label.known_at} & set(_point_columns_of(frame, feature))
        )
        if leaks:
            yield f"features: {leaks} are the label itself, which no decision point can know"
    else:
        yield "label: own_row needs points of kind event"


def _point_columns_of(frame: FrameSpec, feature: Feature) -> list[Column]:
    """The columns of the decision point whose values a feature takes."""
    if isinstance(feature, AttributeFeature):
        return [feature.source]
    return frame.point_operands(feature) if isinstance(feature, ExpressionFeature) else []


def _expression_problems(frame: FrameSpec) -> Iterator[str]:
    """Operands that are no numbers, or expressions themselves."""
    features = {feature.name: feature for feature in frame.features}
    columns = frame.point_columns()
    for feature in frame.features:
        if not isinstance(feature, ExpressionFeature):
            continue
        for name in feature.parsed.operands:
            operand = features.get(name)
            if isinstance(operand, ExpressionFeature):
                yield (
                    f"features.{feature.name}: {name!r} is an expression itself; write it out in "
                    "parentheses"
                )
                continue
            try:
                kind = columns.get(name) if operand is None else frame.type_of(operand)
            except KeyError:
                continue  # reported where the operand is declared
            if kind is not None and kind not in _NUMBERS:
                yield f"features.{feature.name}: {name!r} is a {kind.value}, not a number"


def _serving_problems(frame: FrameSpec) -> Iterator[str]:
    windows = frame.window_features
    views = {feature.view: feature for feature in reversed(windows)}  # the first of each
    for name in frame.serving.views if frame.serving else ():
        if name not in views:
            yield f"serving.views.{name}: there is no such view; the features make {sorted(views)}"
    for feature in windows:
        other = views[feature.view]
        if (feature.stream, feature.by) != (other.stream, other.by):
            yield (
                f"features.{feature.name}: its view has the same name as that of {other.name}, "
                f"{feature.view!r}; rename a stream or a column"
            )
