"""Feature views: the window features of one entity and stream, stored and read together.

The terms are those of feature stores: an *entity* is the set of columns that a value belongs to, a
*feature view* its features from one stream, a *feature service* the views that a model reads.
"""

from __future__ import annotations

from pydantic import Field

from pipelines.core.names import Column, Name, ViewName
from pipelines.core.records import Record, digest_of
from pipelines.spec.features import (
    AttributeFeature,
    CalendarFeature,
    ExpressionFeature,
    Feature,
    WindowFeature,
)
from pipelines.spec.model import ModelSpec
from pipelines.spec.serving import Cadence

_NOT_VALUE = ("name", "input")  # a feature's value does not depend on these


class FeatureView(Record):
    """Features that are materialized together."""

    model: Name
    name: ViewName
    stream: Name
    entity: tuple[Column, ...]
    features: tuple[WindowFeature, ...]
    cadence: Cadence | None = Field(description="none: computed when asked, never stored")


def feature_views(spec: ModelSpec) -> tuple[FeatureView, ...]:
    """The views of a model's window features, in order of first declaration."""
    groups: dict[tuple[str, tuple[Column, ...]], list[WindowFeature]] = {}
    for feature in spec.features:
        if isinstance(feature, WindowFeature):
            groups.setdefault((feature.stream, feature.by), []).append(feature)
    return tuple(
        FeatureView(
            model=spec.name,
            name=features[0].view,
            stream=stream,
            entity=by,
            features=tuple(features),
            cadence=cadence_of(spec, features[0]),
        )
        for (stream, by), features in groups.items()
    )


def cadence_of(spec: ModelSpec, feature: WindowFeature) -> Cadence | None:
    """The feature's cadence in the online store; ``None`` when the model declares no serving."""
    return spec.frame.cadence_of(feature)


def definitions(spec: ModelSpec) -> dict[str, str]:
    """The definition hash of each feature of a model, by name in declared order."""
    return {feature.name: definition_of(spec, feature) for feature in spec.features}


def _column_feature(column: Column) -> AttributeFeature:
    return AttributeFeature(kind="attribute", name="operand", column=column)


def definition_of(spec: ModelSpec, feature: Feature) -> str:
    """Hash of everything that determines the feature's value at an instant, 16 hexadecimal digits.

    The name is left out: two models may use one name for different features, or two names for the
    same feature. Fields with their default are left out as well, so that stored values stay valid
    when a later release adds a field.
    """
    if isinstance(feature, CalendarFeature):
        return digest_of({"part": feature.part, "zone": feature.zone})[:16]
    if isinstance(feature, ExpressionFeature):
        declared = {one.name: one for one in spec.features}
        operands = {
            name: definition_of(spec, declared.get(name) or _column_feature(name))
            for name in feature.operands
        }
        named = {name: f"_{definition}" for name, definition in operands.items()}
        return digest_of(feature.renamed(named))[:16]
    if isinstance(feature, AttributeFeature):
        stream, read = spec.point_stream, {feature.source}
        value = {"column": feature.source}
    else:
        stream = spec.streams[feature.stream]
        read = {*feature.by, *(c.column for c in feature.where), *filter(None, (feature.column,))}
        value = {key: v for key, v in feature.meaning().items() if key not in _NOT_VALUE}
    columns = {"columns": {c: stream.columns[c] for c in sorted(read)}}
    return digest_of({"stream": stream.meaning() | columns, "feature": value})[:16]
