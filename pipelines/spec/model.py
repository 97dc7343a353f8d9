"""The whole declaration of a model, and the cross-checks between its parts."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Literal

from pydantic import Field, model_validator

from pipelines.core.records import digest_of
from pipelines.spec.features import AttributeFeature, Feature, WindowFeature
from pipelines.spec.fields import Column, ColumnType, Condition, Cron, Declaration, Name
from pipelines.spec.live_metrics import rollout_problems
from pipelines.spec.points import AggregateLabel, EventPoints, Label, LaterEventLabel, Points
from pipelines.spec.refresh import Serving
from pipelines.spec.rollout import Rollout
from pipelines.spec.streams import Stream, Streams
from pipelines.spec.training import (
    Estimator,
    Gates,
    Guardrail,
    PrimaryMetric,
    Slice,
    SliceSearch,
    Split,
)


class ModelSpec(Declaration):
    """What ``models/<name>.yaml`` says."""

    name: Name
    description: str = Field(min_length=1)
    owner: str = Field(min_length=1, description="who is paged")
    store: str | None = Field(
        default=None,
        description="folder or s3://bucket/prefix; default: the setting GAUNTLET_STORE",
    )
    streams: Streams = Field(min_length=1)
    points: Points
    label: Label
    features: tuple[Feature, ...] = Field(min_length=1)
    serving: Serving | None = Field(
        default=None,
        description="how fresh production's window features are; null: computed when asked",
    )
    split: Split
    estimator: Estimator
    seeds: tuple[int, ...] = Field(
        default=(1, 2, 3),
        min_length=1,
        description="the first is the candidate; the others measure luck",
    )
    metric: PrimaryMetric
    guardrails: tuple[Guardrail, ...] = ()
    slices: tuple[Slice, ...] = ()
    find_slices: SliceSearch | None = Field(
        default=None, description="slices by every other key and feature; null: declared ones only"
    )
    gates: Gates = Gates()
    rollout: Rollout | None = Field(
        default=None,
        description="shadow and canary before a promotion; null: the recent window promotes",
    )
    schedule: Cron | None = Field(
        default=None, description="cron expression in UTC; null: by hand only"
    )
    score: Cron | None = Field(
        default=None,
        description="cron expression in UTC of batch scoring; null: by hand only",
    )
    review: Literal["none", "required"] = "none"

    @property
    def maturity(self) -> timedelta:
        """How long after its decision a point's label exists: horizon plus delay."""
        return self.label.horizon + self.label.delay

    @property
    def promoting_level(self) -> float:
        """One-sided level of the recent window: where it promotes, it spends the year's budget."""
        alpha = self.gates.recent_window.alpha
        return alpha if self.rollout else min(alpha, self.gates.budget.level)

    @property
    def point_stream(self) -> Stream:
        """The stream that makes decision points."""
        return self.streams[self.points.stream]

    @property
    def feature_names(self) -> tuple[str, ...]:
        """Names of the features, in declared order."""
        return tuple(feature.name for feature in self.features)

    @property
    def recipe(self) -> str:
        """Hash of everything that shapes a trained model; owner, schedule and gates do not."""
        parts = {"points", "label", "features", "serving", "split", "estimator", "streams"}
        return digest_of({key: value for key, value in self.meaning().items() if key in parts})

    def without_rollout(self) -> ModelSpec:
        """The same declaration without shadow and canary: the recent window promotes."""
        return self.model_copy(update={"rollout": None})

    @model_validator(mode="after")
    def _references(self) -> ModelSpec:
        problems = [
            *self._stream_problems(),
            *self._feature_problems(),
            *self._serving_problems(),
            *self._task_problems(),
            *self._batch_problems(),
            *(rollout_problems(self, self.rollout) if self.rollout else ()),
        ]
        if problems:
            raise ValueError("\n".join(problems))
        return self

    def point_columns(self) -> dict[str, ColumnType]:
        """Columns that a decision point has: its keys, and for event points the whole row."""
        columns = self.point_stream.columns
        if isinstance(self.points, EventPoints):
            return dict(columns)
        return {key: columns[key] for key in self.points.keys if key in columns}

    def request_columns(self) -> dict[str, ColumnType]:
        """Columns that a request brings: keys, and what features are made of or looked up by."""
        there, needed = self.point_columns(), list(self.points.keys)
        for feature in self.features:
            if isinstance(feature, AttributeFeature):
                needed.append(feature.source)
            elif isinstance(feature, WindowFeature):
                needed += feature.by
        return {column: there[column] for column in dict.fromkeys(needed)}

    def _uses(self) -> Iterator[tuple[str, str, tuple[str, ...]]]:
        """Where a column of a stream is named: place, stream, columns."""

        def named(column: str | None, where: tuple[Condition, ...]) -> tuple[str, ...]:
            return tuple(c for c in (column, *(condition.column for condition in where)) if c)

        yield "points", self.points.stream, (*self.points.keys, *named(None, self.points.where))
        if isinstance(self.label, AggregateLabel | LaterEventLabel):
            yield (
                "label",
                self.label.stream,
                (*self.label.by, *named(self.label.column, self.label.where)),
            )
        for feature in self.features:
            if isinstance(feature, WindowFeature):
                yield (
                    f"features.{feature.name}",
                    feature.stream,
                    (*feature.by, *named(feature.column, feature.where)),
                )

    def _stream_problems(self) -> Iterator[str]:
        for place, stream, columns in self._uses():
            if stream not in self.streams:
                there = sorted(self.streams)
                yield f"{place}: stream {stream!r} is not declared; there are {there}"
                continue
            missing = sorted(set(columns) - set(self.streams[stream].columns))
            if missing:
                there = sorted(self.streams[stream].columns)
                yield f"{place}: stream {stream!r} has no column {missing}; it declares {there}"

    def _feature_problems(self) -> Iterator[str]:
        names = self.feature_names
        for name in sorted({name for name in names if names.count(name) > 1}):
            yield f"features: the name {name!r} stands twice"
        if self.points.stream not in self.streams:
            return
        point = self.point_columns()
        for feature in self.features:
            needed: tuple[Column, ...] = ()
            if isinstance(feature, AttributeFeature):
                needed = (feature.source,)
            elif isinstance(feature, WindowFeature):
                needed = feature.by
            missing = sorted(set(needed) - set(point))
            if missing:
                yield (
                    f"features.{feature.name}: a decision point has no {missing}; "
                    f"it has {sorted(point)}"
                )
        if isinstance(self.label, AggregateLabel | LaterEventLabel):
            missing = sorted(set(self.label.by) - set(point))
            if missing:
                yield f"label.by: a decision point has no {missing}; it has {sorted(point)}"
        elif isinstance(self.points, EventPoints):
            missing = sorted({self.label.column, self.label.known_at} - set(point))
            if missing:
                yield f"label: the point's row has no {missing}; it has {sorted(point)}"
            leaks = sorted(
                feature.name
                for feature in self.features
                if isinstance(feature, AttributeFeature)
                and feature.source in (self.label.column, self.label.known_at)
            )
            if leaks:
                yield f"features: {leaks} are the label itself, which no decision point can know"
        else:
            yield "label: own_row needs points of kind event"

    def _serving_problems(self) -> Iterator[str]:
        windows = [feature for feature in self.features if isinstance(feature, WindowFeature)]
        views = {feature.view: feature for feature in reversed(windows)}  # the first of each
        for name in self.serving.views if self.serving else ():
            if name not in views:
                there = sorted(views)
                yield f"serving.views.{name}: there is no such view; the features make {there}"
        for feature in windows:
            other = views[feature.view]
            if (feature.stream, feature.by) != (other.stream, other.by):
                yield (
                    f"features.{feature.name}: its view bears the name of that of {other.name}, "
                    f"{feature.view!r}; rename a stream or a column"
                )

    def _batch_problems(self) -> Iterator[str]:
        if self.score is not None and isinstance(self.points, EventPoints):
            yield "score: nobody is asked about until an event comes; it needs points of kind grid"

    def _task_problems(self) -> Iterator[str]:
        tasks = {self.metric.name.task, *(guard.name.task for guard in self.guardrails)}
        if len(tasks) > 1:
            yield "metric and guardrails mix regression and classification"
        for part in self.slices:
            if part.column not in {*self.feature_names, *self.points.keys}:
                yield (
                    f"slices: {part.column!r} is neither a feature nor a key of the point; "
                    f"there are {sorted({*self.feature_names, *self.points.keys})}"
                )
