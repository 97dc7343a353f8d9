"""Live metrics: the valid names of a rollout's outcome, guardrails and covariates."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

from pipelines.spec.fields import ColumnType
from pipelines.spec.rollout import LiveMeasure, Rollout, Segments
from pipelines.spec.training import Metric

if TYPE_CHECKING:
    from pipelines.spec.model import ModelSpec

ERROR_SHARE, LATENCY = "error_share", "latency_ms"
LATE = ":late"  # share of the outcome's events that came too late; cannot be declared
OF_THE_LOG = (ERROR_SHARE, LATENCY)
_IF_DECLARED = (Metric.PINBALL, Metric.SCALED_ABSOLUTE_ERROR, Metric.MAPE)

_NUMBERS = (ColumnType.INTEGER, ColumnType.FLOAT)
_GROUPS = (ColumnType.STRING, ColumnType.INTEGER, ColumnType.BOOLEAN)


def losses_of(spec: ModelSpec) -> tuple[str, ...]:
    """Names of the losses that each answer of a model has once its label has matured.

    Losses that need a parameter, a function, or labels other than zero, are only included where the
    model declares them as its metric or a guardrail.
    """
    declared = {spec.metric.name, *(guard.name for guard in spec.guardrails)}
    return tuple(
        metric.value
        for metric in Metric
        if metric.task == spec.metric.name.task
        and metric.is_row_mean
        and not metric.higher_is_better
        and (metric in declared or not (metric.is_own or metric in _IF_DECLARED))
    )


def live_metrics(spec: ModelSpec, measures: Mapping[str, LiveMeasure]) -> tuple[str, ...]:
    """Every metric name that a rollout of the model can use."""
    return (*losses_of(spec), *OF_THE_LOG, *measures)


def segment_stream(spec: ModelSpec, part: Segments) -> str | None:
    """The stream with the segment of each entity; ``None`` if the segment is one of the keys."""
    if part.stream is None and part.column in spec.points.keys:
        return None
    return part.stream or spec.points.stream


def rollout_problems(spec: ModelSpec, rollout: Rollout) -> Iterator[str]:
    """What is wrong with a rollout in its declaration: one sentence for each mistake."""
    there = live_metrics(spec, rollout.measures)
    lower = (*losses_of(spec), *OF_THE_LOG)
    canary = rollout.canary
    for place, metric in (
        ("outcome", canary.outcome),
        *((f"guardrails.{guard.name}", guard) for guard in canary.guardrails),
    ):
        where = f"rollout.canary.{place}"
        if metric.name not in there:
            yield (
                f"{where}: there is no live metric {metric.name!r}; there are {list(there)}, and "
                "rollout.measures may add others"
            )
        if not metric.ratio:
            yield f"{where}: an entity has several rows of {metric.name}: declare `ratio: true`"
        if metric.name in lower and metric.higher_is_better:
            yield f"{where}: less of {metric.name} is better: leave higher_is_better out"
    for part in canary.segments:
        yield from _segment_problems(spec, part)
    if canary.promotes_segments:
        yield from _promotion_problems(spec, rollout)
    for name in canary.covariates:
        if name not in there:
            yield f"rollout.canary.covariates: no live metric {name!r}; there are {list(there)}"
    for name, measure in rollout.measures.items():
        yield from _measure_problems(spec, name, measure, lower)


def _segment_problems(spec: ModelSpec, part: Segments) -> Iterator[str]:
    place, name = f"rollout.canary.segments.{part.column}", segment_stream(spec, part)
    if name is None:
        return
    if name not in spec.streams:
        yield f"{place}: stream {name!r} is not declared; there are {sorted(spec.streams)}"
        return
    columns = spec.streams[name].columns
    missing = sorted({*spec.points.keys, part.column} - set(columns))
    if missing:
        yield f"{place}: stream {name!r} has no column {missing}; it declares {sorted(columns)}"
    elif columns[part.column] not in _GROUPS:
        yield f"{place}: {part.column!r} is a {columns[part.column]}, which makes no groups"


def _promotion_problems(spec: ModelSpec, rollout: Rollout) -> Iterator[str]:
    """Why a version cannot be promoted for the declared segments."""
    place = "rollout.canary.promote"
    for column in sorted({one.column for one in rollout.canary.gaining_segments}):
        keys, kinds = spec.points.keys, spec.point_stream.columns
        if column not in keys:
            yield (
                f"{place}: segments needs a key of the point, {list(keys)}, because each request "
                f"has it and it never changes; {column!r} is none"
            )
        elif kinds[column] not in _GROUPS:
            yield f"{place}: {column!r} is a {kinds[column]}, which makes no segments"


def _measure_problems(
    spec: ModelSpec, name: str, measure: LiveMeasure, taken: tuple[str, ...]
) -> Iterator[str]:
    place, keys = f"rollout.measures.{name}", spec.points.keys
    if name in taken:
        yield f"{place}: the name is taken by a live metric of its own"
    if measure.stream not in spec.streams:
        there = sorted(spec.streams)
        yield f"{place}: stream {measure.stream!r} is not declared; there are {there}"
        return
    columns, by = spec.streams[measure.stream].columns, measure.by or keys
    if len(by) != len(keys):
        yield f"{place}.by: one column for each key of the point, {list(keys)}, in their order"
    named = [*by, *(one.column for one in measure.where), *filter(None, [measure.column])]
    missing = sorted(set(named) - set(columns))
    if missing:
        yield (
            f"{place}: stream {measure.stream!r} has no column {missing}; it declares "
            f"{sorted(columns)}"
        )
    elif measure.column is not None and columns[measure.column] not in _NUMBERS:
        yield f"{place}.column: {measure.column!r} is no number"
