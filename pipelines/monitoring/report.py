"""The result of monitoring a champion as of one instant."""

from __future__ import annotations

from datetime import date
from enum import StrEnum
from typing import Literal

from pydantic import Field

from pipelines.core.findings import Finding, Interval
from pipelines.core.formats import StoredFormat
from pipelines.core.records import Instant, Record
from pipelines.drift.week_distance import WeekDistance
from pipelines.drift.week_inside import WeekInside
from pipelines.monitoring.attribution import Attribution
from pipelines.monitoring.metrics.estimates import Estimates
from pipelines.monitoring.metrics.measures import Measures
from pipelines.stats.ageing import PooledMean


class Cause(StrEnum):
    """What an alarm is about; the action follows from it."""

    FEED = "feed"  # rows are wrong or missing
    LATE = "late"  # labels are late
    LABEL = "label"  # the label may have another definition
    EARLIER_VERSION = "earlier_version"  # an earlier version does better
    CATEGORY = "category"  # values that training did not have
    MODEL = "model"  # the champion does worse than it did, or is too old
    DRIFT = "drift"  # values changed; whether it costs anything is known when labels mature
    UNUSED = "unused"  # data that the model does not read


class Alarm(Record):
    """One change that is larger than its threshold."""

    name: str = Field(description="stable and dotted, as of a finding")
    cause: Cause
    subject: str = Field(description="stream, column, feature or metric")
    size: float | None
    unit: str
    threshold: float | None = None
    interval: Interval | None = None
    since: Instant | None = Field(description="start of the first of the unbroken alarms")
    cost: float | None = Field(description="loss a point, in the metric's unit; None: unknown")
    false_alarm_rate: float | None = Field(
        default=None,
        description="share of quiet windows of the model's own history that would have alarmed; "
        "None: not measured",
    )
    quiet_windows: int = Field(
        default=0, description="how many there were: weeks, or days where rows were sent again"
    )
    evidence: str = Field(description="one sentence with the numbers")
    further: tuple[str, ...] = Field(
        default=(), description="names of other findings with the same cause"
    )


class ActionKind(StrEnum):
    """What to do."""

    FIX_FEED = "fix_feed"
    WAIT_FOR_LABELS = "wait_for_labels"
    CHECK_LABEL = "check_label"
    ROLL_BACK = "roll_back"
    ADD_CATEGORY = "add_category"
    RETRAIN = "retrain"
    NONE = "none"


class Action(Record):
    """The recommended action, with its evidence."""

    kind: ActionKind
    reason: str
    alarms: tuple[str, ...] = Field(default=(), description="names of the alarms that it answers")
    gain: float | None = Field(
        default=None, description="estimated gain a point, in the metric's unit; None: unknown"
    )
    next_step: str = ""


class WeekPerformance(Record):
    """The metric on the labels of one week that have matured so far."""

    start: date = Field(description="a Monday")
    held_out: bool = Field(
        description="predicted by the twin, which was not trained on it; otherwise by the champion"
    )
    points: int = Field(description="decision points so far")
    labelled: int = Field(description="of these, with a matured label")
    complete: bool = Field(description="every label of the week has had its time to arrive")
    value: float
    interval: Interval | None = Field(description="of the mean; None: too few days")
    after_recent: bool = Field(
        default=False,
        description="held out, but not all of it lies in the recent window: it is shown, and is no "
        "reference",
    )


class Performance(Record):
    """The metric by week, against earlier weeks of models that had not trained on them."""

    metric: str
    higher_is_better: bool
    weeks: tuple[WeekPerformance, ...] = ()
    reference: float | None = Field(
        default=None, description="mean of the reference weeks; None: there is none"
    )
    bound: float | None = Field(
        default=None, description="a week that is worse is an alarm; None: too few weeks"
    )
    reference_weeks: int = 0
    false_alarm_rate: float | None = None


class Age(Record):
    """The champion's age and what it costs."""

    weeks: float = Field(description="since the end of its training labels")
    cost_of_week: PooledMean | None = Field(description="None: the record is too short")
    cost: float | None = Field(description="of the whole age, in the metric's unit")


class Arrival(Record):
    """When rows of a stream arrived."""

    stream: str
    newest: Instant | None = Field(description="known time of the newest row")
    silent_for_s: float | None
    longest_pause_s: float | None = Field(description="between arrivals, before the newest row")
    pauses_s: tuple[float, ...] = Field(
        default=(), description="the longest pause of each week with arrivals, oldest first"
    )


class DriftWeeks(Record):
    """Fresh weeks of a feature, the label or the predictions against training."""

    column: str
    method: str = Field(description="how distances are measured")
    threshold: float = Field(description="of the newest week")
    weeks: tuple[WeekDistance, ...] = Field(description="at least one, oldest first")

    @property
    def ratio(self) -> float:
        """The newest distance in thresholds."""
        return self.weeks[-1].distance / self.threshold


class LabelShare(Record):
    """A class's share of the labels, in training and among the newest points."""

    label: str
    before_share: float = Field(description="in training")
    now_share: float = Field(description="estimated from predictions, before labels arrive")


RangeSource = Literal["points", "served"]


class RangeWeek(Record):
    """The share of rows in the training range, in seven days."""

    start: Instant
    rows: int
    share: float = Field(description="of rows that are inside in every column")
    interval: Interval = Field(description="of the share, for independent rows")
    columns: dict[str, float] = Field(description="the share of each column by itself")


class TrainingRange(Record):
    """Fresh rows against the training range."""

    source: RangeSource = Field(
        description="features of decision points, or those that the service answered with"
    )
    weeks: tuple[RangeWeek, ...] = Field(description="oldest first; the newest ends as of the run")
    training: tuple[WeekInside, ...] = Field(
        default=(), description="weeks of training against the range of its other weeks"
    )


Health = Literal["healthy", "degraded", "broken_data", "unknown"]


class MonitorReport(Record):
    """What monitoring found about the champion as of one instant."""

    model: str
    version: str
    as_of: Instant
    snapshot: str = Field(description="id of the events that were read")
    health: Health
    action: Action
    alarms: tuple[Alarm, ...] = Field(description="the most expensive first")
    performance: Performance
    age: Age
    arrivals: tuple[Arrival, ...]
    findings: tuple[Finding, ...] = Field(
        description="of the version's suites on the newest rows, and the champion's health"
    )
    ranges: tuple[TrainingRange, ...] = Field(
        default=(), description="shares of fresh points and served features in the training range"
    )
    attribution: Attribution | None = Field(
        default=None, description="None: no saved importance, or too few matured labels"
    )
    drift: tuple[DriftWeeks, ...] = Field(
        default=(),
        description="features, label and predictions of fresh weeks against training; empty: the "
        "version has no profile, or there are no whole weeks",
    )
    newcomers: str = Field(
        default="", description="who is new among the newest points, if anything drifts"
    )
    measures: Measures | None = Field(default=None, description="None: too few matured labels")
    label_shares: tuple[LabelShare, ...] = Field(
        default=(), description="of each class; empty: a regression, or too few points"
    )
    estimates: Estimates | None = Field(
        default=None, description="of weeks without labels; None: too few matured labels"
    )
    retraining_hold: str = Field(
        default="", description="why the DAGs may not retrain now although that is the action"
    )


REPORT_FORMAT = StoredFormat("a monitoring report", MonitorReport)
