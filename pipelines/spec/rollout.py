"""Rollout: the conditions for a challenger on live traffic, first in shadow, then in a canary."""

from __future__ import annotations

import itertools
from datetime import timedelta
from typing import Annotated, Literal

from pydantic import Field, model_validator

from pipelines.core.findings import slug
from pipelines.core.names import Column, Name
from pipelines.spec.fields import Condition, Declaration, Duration, Keys, Share, Span

Part = Annotated[float, Field(gt=0, lt=1)]


class LiveMetric(Declaration):
    """A metric of live traffic: the mean of a value per entity, or a ratio of two sums."""

    name: Name
    higher_is_better: bool = False
    ratio: bool = Field(
        default=False,
        description="sum of values over sum of weights (errors over requests); needed where an "
        "entity has several rows",
    )

    @property
    def key(self) -> str:
        """The name of its sums and findings."""
        return self.name

    @property
    def where(self) -> str:
        """The group of entities, for reports; empty when it covers all entities."""
        return ""


class LiveOutcome(LiveMetric):
    """The metric that decides the canary."""

    minimum_effect: float = Field(
        gt=0, description="smallest improvement worth a promotion, in the metric's unit"
    )


class LiveGuardrail(LiveMetric):
    """A live metric that must be shown not to get worse by more than its margin."""

    margin: float = Field(gt=0, description="tolerated loss in the metric's unit")
    upper_bound: float | None = Field(
        default=None,
        gt=0,
        description="largest value an entity can have, 1 for a share of errors; without it, a "
        "metric that never moved has no data",
    )


class SegmentGuard(LiveGuardrail):
    """A guardrail for the entities of one segment."""

    column: Column
    value: str

    @property
    def key(self) -> str:
        """The metric, the column and the value."""
        return f"{self.name}.{self.column}.{slug(self.value)}"

    @property
    def where(self) -> str:
        """The segment."""
        return f"where {self.column} is {self.value}: "


class Segments(Declaration):
    """Groups of entities that must not be harmed, whatever the gain for the others."""

    column: Column = Field(description="a key of the point, or a column of the stream")
    values: tuple[str, ...] = Field(
        min_length=1, description="each is a segment with a guardrail of its own; as text"
    )
    stream: Name | None = Field(
        default=None, description="whose column says where an entity belongs; default: the points'"
    )
    metric: Name | None = Field(
        default=None, description="the outcome's name, or a guardrail's; default: the outcome"
    )
    margin: float = Field(gt=0, description="tolerated loss of a segment in the metric's unit")


class LiveMeasure(Declaration):
    """A business measure: a value from a stream for each entity and day."""

    stream: Name
    aggregate: Literal["sum", "count", "mean"] = "sum"
    column: Column | None = Field(default=None, description="not for count")
    by: Keys | None = Field(
        default=None, min_length=1, description="the stream's columns for the keys; default: those"
    )
    where: tuple[Condition, ...] = ()
    delay: Duration = Field(default=timedelta(0), description="until all events of a day are known")

    @model_validator(mode="after")
    def _column(self) -> LiveMeasure:
        if (self.aggregate == "count") != (self.column is None):
            raise ValueError("sum and mean need a column, count takes none")
        return self


class Shadow(Declaration):
    """The challenger answers a copy of the requests; its predictions are logged, not returned."""

    share: Part = Field(
        default=0.1, description="share of requests that it answers beside the champion"
    )
    duration: Duration = timedelta(days=7)
    minimum_requests: int = Field(default=1000, ge=1)
    max_error_increase: Share = Field(
        default=0.001, description="share of requests that may fail beyond the champion's"
    )
    max_latency_increase: float = Field(
        default=0.5, gt=0, description="by how much its 99 % latency may exceed the champion's"
    )
    tolerance: float | None = Field(
        default=None,
        gt=0,
        description="answers further apart than this disagree; null: shown, and decides nothing",
    )
    max_disagreement: Share = Field(
        default=0.1, description="share of answers that may disagree, also in each declared slice"
    )
    predictions_affect_outcomes: bool = Field(
        default=True,
        description="predictions change outcomes; if not, shadow also compares matured losses, and "
        "a refresh needs a day of shadow and a week of canary without harm",
    )


class Canary(Declaration):
    """Two arms of equal size: the challenger answers one, the champion the other."""

    outcome: LiveOutcome
    guardrails: tuple[LiveGuardrail, ...] = ()
    segments: tuple[Segments, ...] = ()
    promote: Literal["all", "segments"] = Field(
        default="all",
        description="a version is promoted for all entities, or, if that is not won, for the "
        "segments of the outcome that are shown to gain; their column is a key of the point",
    )
    covariates: tuple[Name, ...] = Field(
        default=(),
        description="live metrics of an entity in an equally long stretch before the canary",
    )
    stages: tuple[Part, ...] = Field(
        default=(0.05, 0.10),
        min_length=1,
        description="share of entities in each of the two arms, growing from stage to stage",
    )
    stage_duration: Duration = Field(
        default=timedelta(days=2), description="from a stage to the next"
    )
    weeks: int = Field(default=4, ge=2, le=26, description="whole matured weeks until the end")
    looks: tuple[int, ...] = Field(
        default=(2, 3, 4), min_length=1, description="whole matured weeks at which it may win"
    )
    power: float = Field(
        default=0.9, gt=0.5, lt=1, description="at the minimum effect; plans the information"
    )
    harm_alpha: Part = Field(
        default=0.01, description="chance of a false rollback by the outcome, however often checked"
    )
    guardrail_alpha: Part = Field(
        default=0.05,
        description="level at which each guardrail and segment is shown not to be worse, and "
        "chance of a false rollback by any of them, however often checked",
    )
    sample_ratio_alpha: Part = Field(
        default=0.01, description="chance of a false alarm over the arms' sizes"
    )
    futility: Share = Field(
        default=0.2, description="chance of still winning at the minimum effect below which it ends"
    )
    holdback: float = Field(
        default=0.05,
        ge=0,
        le=0.5,
        description="share of entities left to the old champion after a promotion; as many others "
        "are compared with them",
    )
    minimum_entities: int = Field(
        default=200, ge=20, description="in each arm, before anything is said of it"
    )
    label_share: Share = Field(
        default=0.95, description="matured rows of each arm that must have an outcome"
    )
    max_late_difference: Share = Field(
        default=0.02,
        description="by how much the arms may be shown to differ in the share of the outcome's "
        "events that come after their delay",
    )
    check_every: Span = Field(
        default=timedelta(hours=6), description="from one look for harm to the next"
    )

    @property
    def metrics(self) -> tuple[LiveOutcome | LiveGuardrail, ...]:
        """The outcome and the guardrails."""
        return (self.outcome, *self.guardrails)

    @property
    def segment_guards(self) -> tuple[SegmentGuard, ...]:
        """One guardrail for each declared segment, with the direction of its metric."""
        known = {metric.name: metric for metric in self.metrics}
        return tuple(
            SegmentGuard(
                name=metric.name,
                higher_is_better=metric.higher_is_better,
                ratio=metric.ratio,
                margin=part.margin,
                upper_bound=metric.upper_bound if isinstance(metric, LiveGuardrail) else None,
                column=part.column,
                value=value,
            )
            for part in self.segments
            for metric in [known[part.metric or self.outcome.name]]
            for value in part.values
        )

    @property
    def promotes_segments(self) -> bool:
        """Whether it may promote for segments alone."""
        return self.promote == "segments"

    @property
    def gaining_segments(self) -> tuple[SegmentGuard, ...]:
        """The segments of the outcome: those that a version can be promoted for."""
        return tuple(one for one in self.segment_guards if one.name == self.outcome.name)

    @property
    def segment_column(self) -> str:
        """The column of these segments; "" without any."""
        return next((one.column for one in self.gaining_segments), "")

    @property
    def guards_of_column(self) -> tuple[SegmentGuard, ...]:
        """The segments of this column, of the outcome and of guardrails."""
        return tuple(one for one in self.segment_guards if one.column == self.segment_column)

    @property
    def guards(self) -> tuple[LiveGuardrail, ...]:
        """The guardrails and the segment guards."""
        return (*self.guardrails, *self.segment_guards)

    @model_validator(mode="after")
    def _sound(self) -> Canary:
        problems = []
        if any(b <= a for a, b in itertools.pairwise(self.stages)):
            problems.append("stages grow: each is a larger share than the one before")
        if 2 * self.stages[-1] > 1:
            problems.append(
                "both arms are as large as the last stage, and together no more than all entities"
            )
        if self.stage_duration * (len(self.stages) - 1) >= timedelta(weeks=self.weeks):
            problems.append("the last stage begins before the canary ends")
        if any(b <= a for a, b in itertools.pairwise(self.looks)) or self.looks[0] < 2:
            problems.append("looks are weeks that grow, from week 2: every weekday counts twice")
        if self.looks[-1] != self.weeks:
            problems.append("the last look is at the end")
        if self.promotes_segments:
            of_outcome = [p for p in self.segments if p.metric in (None, self.outcome.name)]
            if len({part.column for part in of_outcome}) != 1:
                problems.append(
                    "promote: segments needs segments of the outcome, by one column: an entity "
                    "belongs to one segment"
                )
        names = [self.outcome.name, *(guard.name for guard in self.guardrails)]
        if len(set(names)) < len(names):
            problems.append("each metric stands once among outcome and guardrails")
        strange = sorted({part.metric for part in self.segments if part.metric} - set(names))
        if strange:
            problems.append(f"segments: {strange} is neither the outcome nor a guardrail")
        else:
            keys = [guard.key for guard in self.segment_guards]
            if twice := sorted({key for key in keys if keys.count(key) > 1}):
                problems.append(f"segments: {twice} stands twice")
        if problems:
            raise ValueError("; ".join(problems))
        return self


class Rollout(Declaration):
    """The steps from a candidate that passed the offline gates to a champion."""

    shadow: Shadow = Shadow()
    canary: Canary
    measures: dict[Name, LiveMeasure] = Field(
        default={}, description="business measures that outcome, guardrails and covariates name"
    )
