"""The whole declaration of a model, and the cross-checks between its parts."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Annotated, Any, Literal

from pydantic import Field, model_validator

from pipelines.core.names import Name
from pipelines.core.records import digest_of
from pipelines.core.time import duration_text
from pipelines.spec.estimator import Estimator
from pipelines.spec.execution.resources import Resources, ResourceTask
from pipelines.spec.features import CalendarFeature, Feature
from pipelines.spec.fields import NUMBERS, ColumnType, Cron, Declaration, Zone
from pipelines.spec.frame import FrameSpec
from pipelines.spec.frame_checks import frame_problems
from pipelines.spec.live_metrics import rollout_problems
from pipelines.spec.monitor import Monitoring
from pipelines.spec.points import (
    AggregateLabel,
    EventPoints,
    GridPoints,
    Label,
    LaterEventLabel,
    Points,
    class_text,
)
from pipelines.spec.rollout import Rollout
from pipelines.spec.serving import BoardPage, Serving
from pipelines.spec.streams import Stream, Streams
from pipelines.spec.training import (
    Gates,
    Guardrail,
    Metric,
    PrimaryMetric,
    Slice,
    SliceSearch,
    Split,
)
from pipelines.spec.update import FEWEST, Update

RECIPE_PARTS = frozenset({"points", "label", "features", "split", "estimator", "streams"})
Seed = Annotated[int, Field(ge=0, lt=2**31, description="as every estimator takes it")]
MOST_STEPS = 1_000_000  # decision points of one entity in the spans of the split


class ModelSpec(Declaration):
    """The content of ``models/<name>.yaml``."""

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
    seeds: tuple[Seed, ...] = Field(
        default=(1, 2, 3),
        min_length=1,
        max_length=50,
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
        default=None, description="cron expression of retrainings; null: by hand only"
    )
    schedule_zone: Zone = Field(default="UTC", description="time zone of `schedule`")
    update: Update | None = Field(
        default=None, description="updates between retrainings; null: none"
    )
    score: Cron | None = Field(
        default=None,
        description="cron expression in UTC of batch scoring; null: by hand only",
    )
    board: BoardPage | None = Field(
        default=None, description="a page of the newest scores; null: none is written"
    )
    review: Literal["none", "required"] = "none"
    monitor: Monitoring = Monitoring()
    resources: dict[ResourceTask, Resources] = Field(
        default={},
        exclude=True,
        description="of tasks in pods of their own. They change nothing that a run computes, so "
        "they are no part of any hash, nor of a version",
    )

    @property
    def maturity(self) -> timedelta:
        """Time from a decision until its label exists: horizon plus delay."""
        return self.label.horizon + self.label.delay

    @property
    def promoting_level(self) -> float:
        """One-sided level of the recent window; without a rollout it uses the error budget."""
        alpha = self.gates.recent_window.alpha
        return alpha if self.rollout else min(alpha, self.gates.budget.level)

    @property
    def frame(self) -> FrameSpec:
        """The parts that determine the rows and columns of the model's frame."""
        return FrameSpec(self.streams, self.points, self.label, self.features, self.serving)

    @property
    def point_stream(self) -> Stream:
        """The stream that decision points come from."""
        return self.streams[self.points.stream]

    @property
    def feature_names(self) -> tuple[str, ...]:
        """Names of the features, in declared order."""
        return tuple(feature.name for feature in self.features)

    @property
    def input_names(self) -> tuple[str, ...]:
        """Names of the features that the estimator receives, in declared order."""
        return tuple(feature.name for feature in self.features if feature.input)

    @property
    def measured_inputs(self) -> tuple[str, ...]:
        """The inputs whose values come from data, and not from the calendar."""
        calendar = {one.name for one in self.features if isinstance(one, CalendarFeature)}
        return tuple(name for name in self.input_names if name not in calendar)

    @property
    def classes(self) -> tuple[str, ...]:
        """Names of the classes in the order of their probabilities; empty for a regression.

        The prediction of a model of two classes is the probability of the second, the positive
        class. With more classes it is a probability of each.
        """
        if self.metric.name.task == "regression":
            return ()
        return tuple(map(class_text, self.label.classes or (0, 1)))

    @property
    def recipe(self) -> str:
        """Hash of the recipe; a candidate with the champion's recipe is a refresh.

        Part of the recipe: points, label, features and their streams, estimator and parameters,
        the spans of the split, and the metric where a search chooses parameters by it. Not part of
        it is what decides neither how a model is fitted nor what it predicts from: description,
        owner, store, seeds, metrics otherwise, gates, rollout, monitoring, schedules and the
        cadence of the online features. Neither are exclusions: they say which data are wrong.
        """
        return digest_of(self.recipe_parts())

    def recipe_parts(self) -> dict[str, Any]:
        """The parts of the declaration that the recipe consists of, as JSON without defaults."""
        parts = {key: value for key, value in self.meaning().items() if key in RECIPE_PARTS}
        parts["split"] = {key: span for key, span in parts["split"].items() if key != "exclude"}
        if self.estimator.search is not None:  # it chooses by the metric
            parts["metric"] = self.metric.meaning() | {"minimum_effect": 0.0}
        return parts

    def has_recipe(self, stored: str) -> bool:
        """Whether a stored hash is that of this recipe.

        Release 0.1.0 hashed the cadence of the online features and the exclusions as well.
        """
        parts = {*RECIPE_PARTS, "serving"}
        first = {key: value for key, value in self.meaning().items() if key in parts}
        return stored in (self.recipe, digest_of(first))

    def without_rollout(self) -> ModelSpec:
        """The same declaration without shadow and canary, so that the recent window promotes."""
        return self.model_copy(update={"rollout": None})

    def with_recipe_of(self, other: ModelSpec) -> ModelSpec:
        """This declaration with another recipe; its own gates, schedules and exclusions stay.

        Raises:
            ValidationError: the recipe does not fit, for example because a slice has no column.
        """
        parts = {key: value for key, value in other.as_json().items() if key in RECIPE_PARTS}
        parts["split"]["exclude"] = self.as_json()["split"]["exclude"]
        return ModelSpec.model_validate({**self.as_json(), **parts})

    def with_serving(self, serving: Serving) -> ModelSpec:
        """The same declaration with another cadence of its online features."""
        return ModelSpec.model_validate({**self.as_json(), "serving": serving.as_json()})

    @model_validator(mode="after")
    def _references(self) -> ModelSpec:
        frame = list(frame_problems(self.frame))
        problems = [
            *frame,
            *self._size_problems(),
            *self._task_problems(),
            *([] if frame else self._slice_problems()),
            *([] if frame else self._board_problems()),
            *self._class_problems(),
            *([] if self.input_names else ["features: no feature is an input of the estimator"]),
            *self._batch_problems(),
            *self._update_problems(),
            *(rollout_problems(self, self.rollout) if self.rollout else ()),
        ]
        if problems:
            raise ValueError("\n".join(problems))
        return self

    def point_columns(self) -> dict[str, ColumnType]:
        """Columns of a decision point: its keys, and for event points the whole row."""
        return self.frame.point_columns()

    def request_columns(self) -> dict[str, ColumnType]:
        """Columns of a request: keys, and columns that features are computed from or found by."""
        return self.frame.request_columns()

    def _size_problems(self) -> Iterator[str]:
        if isinstance(self.points, GridPoints):
            steps = (self.split.train + self.split.recent) / self.points.every
            if steps > MOST_STEPS:
                yield (
                    f"points.every: train and recent hold {steps:,.0f} steps of "
                    f"{duration_text(self.points.every)} for each entity, wanted at most "
                    f"{MOST_STEPS:,}; declare a longer step or shorter spans"
                )

        most, fewest = self.split.max_rows, self.gates.recent_window.minimum_rows
        if most is not None and most < fewest:
            yield (
                f"split.max_rows: got {most:,}, wanted at least {fewest:,}, which is "
                "gates.recent_window.minimum_rows: a model is not fitted on fewer rows"
            )

    def _batch_problems(self) -> Iterator[str]:
        if self.score is not None and isinstance(self.points, EventPoints):
            yield "score: needs points of kind grid; an event is not known before it comes"

    def _update_problems(self) -> Iterator[str]:
        if self.update is None:
            return
        if self.rollout is not None:
            yield (
                "update: a model with a rollout cannot be updated, because each update would "
                "replace the champion that a canary compares with; remove one of the two"
            )
        if self.review == "required":
            yield "update: an update cannot wait for a person's approval; declare review: none"
        if not self.split.refit:
            yield "update: needs split.refit: true, so that the recent window judges a twin"
        if self.split.recent < FEWEST * self.update.every:
            yield (
                f"update: split.recent must be at least {FEWEST} times update.every: the intervals "
                "of the recent window judge a new one"
            )

    def _board_problems(self) -> Iterator[str]:
        if self.board is None:
            return
        if isinstance(self.points, EventPoints) or self.metric.name.task != "regression":
            yield "board: needs points of kind grid and a label that is a number"
        stock = self.board.stock
        if stock is not None and self.frame.column_types().get(stock) not in NUMBERS:
            yield f"board.stock: {stock!r} is no feature of numbers"

    def _class_problems(self) -> Iterator[str]:
        kind = self._label_type()
        if self.metric.name.task == "regression":
            if self.label.classes is not None:
                yield f"label.classes: {self.metric.name.value} is a metric of numbers, not classes"
            elif kind in (ColumnType.STRING, ColumnType.TIMESTAMP):
                yield (
                    f"label: {self.metric.name.value} needs a number, and the label's column is of "
                    f"type {kind.value}"
                )
            return
        if kind is ColumnType.TIMESTAMP:
            yield "label: a time is no class; declare a column of another type"
        if self.label.classes is None and kind is ColumnType.STRING:
            yield (
                "label.classes: the label is a text, so name its classes, such as [kept, "
                "returned]; of two, the second is the positive class"
            )
        if len(self.classes) == 2:
            return
        for metric in (self.metric.name, *(guard.name for guard in self.guardrails)):
            if not metric.takes_many_classes:
                wanted = ", ".join(one.value for one in Metric if one.takes_many_classes)
                yield (
                    f"metric {metric.value} is for two classes, and label.classes has "
                    f"{len(self.classes)}: use {wanted}, or declare one model for each class"
                )
        for part in ("serving", "rollout", "score"):
            if getattr(self, part) is not None:
                yield (
                    f"{part}: predictions of more than two classes cannot be served yet: promote "
                    "by the recent window and load the champion from MLflow, or declare one model "
                    "for each class"
                )

    def _label_type(self) -> ColumnType | None:
        """The type of the label's column; ``None`` if the label is not a column's own value."""
        if isinstance(self.label, AggregateLabel):
            return None
        stream = (
            self.label.stream if isinstance(self.label, LaterEventLabel) else self.points.stream
        )
        known = self.streams.get(stream)
        return known.columns.get(self.label.column) if known else None

    def _task_problems(self) -> Iterator[str]:
        tasks = {self.metric.name.task, *(guard.name.task for guard in self.guardrails)}
        if len(tasks) > 1:
            yield "metric and guardrails mix regression and classification"
        for place, names in (
            ("seeds", list(map(str, self.seeds))),
            ("guardrails", [guard.name.value for guard in self.guardrails]),
            ("slices", [part.column for part in self.slices]),
        ):
            if twice := sorted({name for name in names if names.count(name) > 1}):
                yield f"{place}: {', '.join(twice)} stands twice"

    def _slice_problems(self) -> Iterator[str]:
        """Slices of columns that the frame does not have, and bins of what is no number."""
        types = self.frame.column_types()
        for part in self.slices:
            kind = types.get(part.column)
            if kind is None:
                yield (
                    f"slices: {part.column!r} is neither a feature nor a key of the point; "
                    f"there are {sorted(types)}"
                )
            elif part.bins is not None and kind not in NUMBERS:
                yield (
                    f"slices: {part.column!r} is of type {kind.value}, and bins need a number; "
                    "without bins, each value is a slice"
                )
