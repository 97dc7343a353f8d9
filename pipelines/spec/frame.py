"""The parts of a declaration that determine the rows and columns of a frame."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from pipelines.core.names import Column
from pipelines.spec.features import (
    AttributeFeature,
    ExpressionFeature,
    Feature,
    WindowFeature,
)
from pipelines.spec.fields import ColumnType
from pipelines.spec.points import (
    AggregateLabel,
    EventPoints,
    Label,
    LaterEventLabel,
    OwnRowLabel,
    Points,
)
from pipelines.spec.serving import Cadence, Serving
from pipelines.spec.streams import Stream


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
        serving: cadence of the window features in production; ``None``: computed on request.
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

    def cadence_of(self, feature: WindowFeature) -> Cadence | None:
        """The feature's cadence in the online store; ``None`` if it is computed on request."""
        return None if self.serving is None else self.serving.of(feature.view)

    def point_columns(self) -> dict[str, ColumnType]:
        """Columns of a decision point: its keys, and for event points the whole row."""
        columns = self.point_stream.columns
        if isinstance(self.points, EventPoints):
            return dict(columns)
        return {key: columns[key] for key in self.points.keys if key in columns}

    def point_operands(self, feature: ExpressionFeature) -> list[Column]:
        """The operands of an expression that are columns of the point and not features."""
        return [name for name in feature.operands if name not in self.feature_names]

    def function_types(self, feature: ExpressionFeature) -> dict[Column, ColumnType]:
        """Types of the columns of an own function, sorted by the name under which it gets them."""
        features = {one.name: one for one in self.features}
        points = self.point_columns()
        return {
            column: self.type_of(features[name]) if name in features else points[name]
            for column, name in sorted(feature.columns.items())
        }

    def columns_read(self) -> dict[str, frozenset[str]]:
        """By stream, the columns that points, features and label read.

        All operands of an expression count as columns of the points' stream.
        """
        found: dict[str, set[str]] = {name: set() for name in self.streams}
        points = found[self.points.stream]
        points.update(self.points.keys, (one.column for one in self.points.where))
        for feature in self.features:
            if isinstance(feature, AttributeFeature):
                points.add(feature.source)
            elif isinstance(feature, ExpressionFeature):
                points.update(feature.operands)
            elif isinstance(feature, WindowFeature):
                found[feature.stream].update(_aggregated(feature))
        if isinstance(self.label, OwnRowLabel):
            points.update((self.label.column, self.label.known_at))
        elif self.label is not None:
            found[self.label.stream].update(_aggregated(self.label))
        return {name: frozenset(columns) for name, columns in found.items()}

    def type_of(self, feature: Feature) -> ColumnType:
        """The type of a feature's values."""
        if isinstance(feature, AttributeFeature):
            return self.point_columns()[feature.source]
        if isinstance(feature, WindowFeature) and feature.column and feature.keeps_type:
            return self.streams[feature.stream].columns[feature.column]
        return ColumnType.FLOAT

    def column_types(self) -> dict[Column, ColumnType]:
        """Types of the keys and features, by name."""
        points = self.point_columns()
        return {key: points[key] for key in self.points.keys} | {
            feature.name: self.type_of(feature) for feature in self.features
        }

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


def _aggregated(part: WindowFeature | AggregateLabel | LaterEventLabel) -> set[str]:
    """The columns of a stream that a feature or a label reads."""
    own = {part.column} if part.column else set()
    return own | {*part.by, *(one.column for one in part.where)}
