"""How a model is trained and judged: split, metrics, gates."""

from __future__ import annotations

from datetime import timedelta
from enum import StrEnum
from typing import Any, Literal

from pydantic import Field, field_validator, model_validator

from pipelines.core.names import Column
from pipelines.own_code.declared import OwnFunction
from pipelines.spec.fields import Declaration, Duration, Share, Span, When


class Exclusion(Declaration):
    """A period whose events are known to be wrong.

    Decision points in ``[start, end)``, or whose label overlaps it, are used neither for training
    nor for evaluation. Their rows stay in the features of later points, as in production.
    """

    start: When
    end: When
    reason: str = Field(min_length=1)

    @model_validator(mode="after")
    def _order(self) -> Exclusion:
        if self.end <= self.start:
            raise ValueError("an exclusion ends after it starts")
        return self

    def touches(self, decision_time: Any, matured_at: Any) -> Any:
        """Which points lie in it or have a label from it; for columns of pandas or Ibis."""
        start, end = (bound.replace(tzinfo=None) for bound in (self.start, self.end))
        return (decision_time < end) & (matured_at > start)


class Split(Declaration):
    """The spans of the split, as durations. The gap follows from the label."""

    train: Duration = Field(description="length of the training span")
    recent: Duration = Field(default=timedelta(days=28), description="length of the recent window")
    refit: bool = Field(
        default=True,
        description="judge a twin that never saw the recent window, and serve the same recipe "
        "refitted on all matured points; false: the judged model serves",
    )
    max_rows: int | None = Field(
        default=None,
        ge=30,
        description="labelled rows of a training span that are fitted on, at most; of more, a "
        "sample of points that stays the same from week to week; null: all",
    )
    exclude: tuple[Exclusion, ...] = ()

    @model_validator(mode="after")
    def _lengths(self) -> Split:
        if self.recent < timedelta(days=1) or self.train < timedelta(days=1):
            raise ValueError("train and recent are at least one day each")
        return self


class Metric(StrEnum):
    """Metrics that are means of per-row influence values.

    ``own_error`` and ``own_loss`` are means of the losses that an own function returns, of numbers
    and of probabilities of the positive class.

    ``mape`` is the mean of the absolute error divided by the size of the label. ``accuracy`` and
    ``f1`` take the positive class where its probability is above one half; of more than two
    classes, ``accuracy`` takes the most probable one.
    """

    ABSOLUTE_ERROR = "absolute_error"
    SQUARED_ERROR = "squared_error"
    RMSE = "rmse"
    MAPE = "mape"
    PINBALL = "pinball"
    SCALED_ABSOLUTE_ERROR = "scaled_absolute_error"
    OWN_ERROR = "own_error"
    LOG_LOSS = "log_loss"
    BRIER = "brier"
    ACCURACY = "accuracy"
    F1 = "f1"
    AUC = "auc"
    AVERAGE_PRECISION = "average_precision"
    OWN_LOSS = "own_loss"

    @property
    def task(self) -> Literal["regression", "classification"]:
        """The task that the metric applies to."""
        return "regression" if self in _REGRESSION else "classification"

    @property
    def higher_is_better(self) -> bool:
        """False for losses."""
        return self in {Metric.ACCURACY, Metric.F1, Metric.AUC, Metric.AVERAGE_PRECISION}

    @property
    def takes_many_classes(self) -> bool:
        """Whether it is defined for more than two classes; AUC as the mean of one class against
        the rest."""
        return self in {Metric.LOG_LOSS, Metric.ACCURACY, Metric.AUC}

    @property
    def is_row_mean(self) -> bool:
        """Whether it is a plain mean of one value a row, so that rows can be weighted."""
        return self not in {Metric.RMSE, Metric.F1, Metric.AUC, Metric.AVERAGE_PRECISION}

    @property
    def is_own(self) -> bool:
        """Whether an own function computes it."""
        return self in {Metric.OWN_ERROR, Metric.OWN_LOSS}


_REGRESSION = {
    Metric.ABSOLUTE_ERROR,
    Metric.SQUARED_ERROR,
    Metric.RMSE,
    Metric.MAPE,
    Metric.PINBALL,
    Metric.SCALED_ABSOLUTE_ERROR,
    Metric.OWN_ERROR,
}


class PrimaryMetric(OwnFunction, Declaration):
    """The metric that decides, in its own unit; ``own_error`` and ``own_loss`` have a function."""

    name: Metric
    quantile: float | None = Field(default=None, gt=0, lt=1, description="pinball only")
    denominator: Column | None = Field(
        default=None,
        description="scaled_absolute_error: error divided by this feature or the label",
    )
    minimum_effect: float = Field(
        gt=0, description="smallest improvement worth a promotion, in the metric's unit"
    )

    @model_validator(mode="after")
    def _parameters(self) -> PrimaryMetric:
        if (self.name is Metric.PINBALL) != (self.quantile is not None):
            raise ValueError("pinball needs a quantile, no other metric takes one")
        if (self.name is Metric.SCALED_ABSOLUTE_ERROR) != (self.denominator is not None):
            raise ValueError("scaled_absolute_error needs a denominator, no other metric takes one")
        if self.name.is_own != (self.function is not None):
            raise ValueError("own_error and own_loss need a function, no other metric takes one")
        return self

    def measures_as(self, other: PrimaryMetric) -> bool:
        """Whether losses by both can be compared; the minimum effect may differ."""
        effect = {"minimum_effect": self.minimum_effect}
        return other.model_copy(update=effect) == self


class Guardrail(Declaration):
    """A metric that must not get worse by more than a margin, in the metric's unit."""

    name: Metric
    margin: float = Field(ge=0)
    quantile: float | None = Field(default=None, gt=0, lt=1)

    @field_validator("name")
    @classmethod
    def _of_a_library(cls, name: Metric) -> Metric:
        if name.is_own:
            raise ValueError("an own function can be the metric, and no guardrail")
        return name


class Slice(Declaration):
    """Groups of rows in which the candidate must not be worse by more than the margin."""

    column: Column
    margin: float = Field(ge=0, description="tolerated loss in the primary metric's unit")
    bins: int | None = Field(default=None, ge=2, le=20, description="quantile bins of a number")
    minimum_rows: int = Field(default=200, ge=30)


class SliceSearch(Declaration):
    """Automatic slices: groups by every key and feature that is not declared as a slice."""

    margin: float = Field(ge=0, description="tolerated loss in the primary metric's unit")
    bins: int = Field(default=4, ge=2, le=20, description="quantile bins of a number")
    minimum_rows: int = Field(default=200, ge=30)
    max_values: int = Field(
        default=20, ge=2, le=200, description="a category with more values than this is left out"
    )


class ContractGate(Declaration):
    """How fresh data is checked against the hand-written suite and the champion's envelope."""

    lookback: Span = Field(default=timedelta(days=7), description="known in this long before as-of")
    mostly: Share = Field(
        default=0.9, description="share of rows an envelope's ranges must hold for"
    )
    max_contradicting_share: Share = Field(
        default=0.01,
        description="largest share of fresh rows that contradict an earlier row of the same event",
    )


class AvailabilityGate(Declaration):
    """Whether production has each feature: looked up for the newest points before training."""

    lookback: Span = Field(
        default=timedelta(days=7), description="decision points this long before as-of are taken"
    )
    max_points: int = Field(
        default=20_000, ge=100, description="the newest of them, at most so many"
    )
    min_online_share: Share = Field(
        default=0.98,
        description="of the values that the events give, the share that production has to have",
    )


class RecentWindowGate(Declaration):
    """The required confidence of the recent window."""

    alpha: float = Field(default=0.05, gt=0, lt=0.5, description="one-sided level")
    strict: bool = Field(
        default=False,
        description="judge as if all noise were that of days: for strongly dependent days",
    )
    minimum_days: int = Field(default=14, ge=7)
    minimum_rows: int = Field(default=200, ge=30)
    minimum_label_share: Share = Field(
        default=0.9, description="matured points that must have a label; else there is no data"
    )


class AuditGate(Declaration):
    """When the offline gain of a changed recipe is not accepted."""

    alpha: float = Field(default=0.05, gt=0, lt=0.5, description="one-sided level on live points")
    training_auc: float = Field(
        default=0.55,
        gt=0.5,
        lt=1,
        description="area under the curve from which two training populations are different",
    )
    live_auc_growth: float = Field(
        default=0.05,
        gt=0,
        lt=0.5,
        description="how much further from the live population the new training rows may be",
    )
    effective_share: Share = Field(
        default=0.3, description="effective share of rows below which no weighted gain is reported"
    )
    outside_share: Share = Field(
        default=0.01, description="live rows unlike any scored one beyond which it is not reported"
    )
    label_share: Share = Field(
        default=0.005, description="live rows whose label may differ between two label rules"
    )
    unequal_share: Share = Field(
        default=0.001, description="logged values of a feature that may differ from recomputed ones"
    )
    selective_labels_auc: float = Field(
        default=0.95,
        gt=0.5,
        le=1,
        description="how well the champion's own answer may predict which rows have a label (AUC)",
    )
    clip: float = Field(default=0.995, gt=0.5, lt=1, description="quantile that weights end at")
    refits: int = Field(
        default=4, ge=3, le=50, description="refits of each recipe on the same data"
    )
    classifier_rows: int = Field(
        default=20_000, ge=500, description="rows of a population that a classifier is shown"
    )


class BudgetGate(Declaration):
    """The chance of a false promotion in one year, shared by all tries of the year."""

    alpha_year: float = Field(
        default=0.05, gt=0, lt=0.5, description="chance of any false promotion in a calendar year"
    )
    tries: int = Field(
        default=12,
        ge=1,
        le=10_000,
        description="changed recipes that a year may compare with a champion, each at "
        "alpha_year / tries; fewer tries find smaller gains; refreshes are no tries",
    )

    @property
    def level(self) -> float:
        """The level of one try."""
        return self.alpha_year / self.tries


class FirstVersionGate(Declaration):
    """How a first version is compared with the naive forecast."""

    weeks: int = Field(
        default=26,
        ge=0,
        le=26,
        description="past weeks that are replayed: the recipe is fitted as of each of them and "
        "compared on the week after it; 0: the recent window alone decides. The record of a "
        "changed recipe begins with them, too",
    )
    least: int = Field(
        default=8, ge=4, description="known weeks below which the recent window alone decides"
    )


class RefreshEvidence(StrEnum):
    """What a refresh has to show, from eager to strict.

    ``better``: its held-out twin has the better metric on the recent window. ``likely``: age
    probably costs more than a refresh is worth. ``proved``: it has been proved once that refreshing
    pays. ``tested``: its held-out twin is tested against the champion's, each time.
    """

    BETTER = "better"
    LIKELY = "likely"
    PROVED = "proved"
    TESTED = "tested"


class RefreshGate(Declaration):
    """When the champion's recipe on newer data is promoted. Costs are shares of the minimum effect.

    A refresh spends nothing of the error budget and is never claimed to be better than the version
    that it replaces.
    """

    evidence: RefreshEvidence = RefreshEvidence.LIKELY
    level: float = Field(
        default=0.2, gt=0, lt=0.5, description="likely: one-sided level of the cost of age"
    )
    alpha: float = Field(
        default=0.05, gt=0, lt=0.5, description="proved: chance of ever claiming it wrongly"
    )
    tested_level: float = Field(
        default=0.1, gt=0, lt=0.5, description="tested: one-sided level of each refresh"
    )
    cost: float = Field(
        default=0.5, gt=0, description="cost of the champion's age from which a refresh is worth it"
    )
    overdue: float = Field(
        default=1.0,
        gt=0,
        description="cost of the champion's age from which the recent window need not agree",
    )
    span: int = Field(default=26, ge=2, le=520, description="weeks that candidates are compared")
    least: int = Field(
        default=4,
        ge=2,
        description="weeks, each with a freshest candidate of its own, that the record must have",
    )
    stop: float = Field(
        default=52.0,
        gt=0,
        description="loss against a replaced version, in weeks of one minimum effect each, from "
        "which that version is restored",
    )
    watch: Duration = Field(
        default=timedelta(days=364), description="how long a replaced version is compared"
    )
    stops: int = Field(
        default=2, ge=1, description="stops within `watch` after which a person has to answer"
    )
    rest: Duration = Field(
        default=timedelta(days=28), description="time without refreshes after a stop"
    )

    @model_validator(mode="after")
    def _costs(self) -> RefreshGate:
        if self.overdue < self.cost:
            raise ValueError("overdue is at least cost")
        return self


class Gates(Declaration):
    """Thresholds, by gate."""

    contract: ContractGate = ContractGate()
    availability: AvailabilityGate = AvailabilityGate()
    recent_window: RecentWindowGate = RecentWindowGate()
    first_version: FirstVersionGate = FirstVersionGate()
    refresh: RefreshGate = RefreshGate()
    audit: AuditGate = AuditGate()
    budget: BudgetGate = BudgetGate()
