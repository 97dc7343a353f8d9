"""The state of a model for its operator, from the ledger and from facts that are cheap to read."""

from __future__ import annotations

from datetime import date

from pydantic import Field

from pipelines.core.records import Instant, Record


class ChampionStatus(Record):
    """The version that serves, and what its age costs."""

    version: str
    since: Instant = Field(description="when the ledger recorded it as champion")
    segments: str = Field(default="", description="those that other versions answer, in words")
    trained_until: Instant | None = Field(description="None: not in the ledger")
    age_weeks: float | None = Field(default=None, description="since its training labels ended")
    cost: float | None = Field(
        default=None, description="of this age, in the metric's unit; None: not known"
    )


class DecisionStatus(Record):
    """The newest entry of the ledger that judged a candidate or changed the champion."""

    sequence: int
    outcome: str
    as_of: Instant
    recorded_at: Instant
    candidate: str | None
    reasons: tuple[str, ...] = Field(description="in sentences")


class PendingTask(Record):
    """Something that waits for a person."""

    what: str
    next_step: str = Field(description="the command that answers it")
    version: str = Field(default="", description="that it is about; empty for none")


class RolloutStatus(Record):
    """The second version on live traffic."""

    challenger: str
    stage: str
    share: float = Field(description="of entities in each arm; in shadow of requests")
    since: Instant
    next_check: Instant | None = Field(default=None, description="None: no step has run yet")
    weeks: int = Field(default=0, description="whole matured weeks so far")
    planned_weeks: int = 0
    summary: str = Field(default="", description="of the newest step")
    evidence: str = Field(
        default="", description="the outcome's confidence sequence, by the newest step"
    )


class StreamStatus(Record):
    """The newest rows of a stream, by the listing of its source."""

    name: str
    newest_day: date | None = Field(description="of known time; None: no rows")
    stale: bool = Field(description="no row within the span that the contract checks")


class ViewStatus(Record):
    """A feature view in the online store."""

    name: str
    as_of: Instant | None = Field(description="None: never materialized")
    expired: bool = Field(description="older than its ttl, so it is served as missing")


class ScoresStatus(Record):
    """The newest batch predictions."""

    as_of: Instant
    valid_until: Instant
    stale: bool


class BudgetStatus(Record):
    """The error budget of the present year."""

    year: int
    left: int = Field(description="tries")
    tries: int = Field(description="made this year")


class MonitoringStatus(Record):
    """The newest monitoring report of the champion."""

    as_of: Instant
    health: str
    action: str
    reason: str
    alarms: int


class ModelStatus(Record):
    """One model: what serves, what was decided, what is due, and how fresh everything is."""

    model: str
    owner: str = ""
    unit: str = Field(default="", description="of the primary metric")
    problems: tuple[str, ...] = Field(
        default=(), description="why a part of this status could not be read"
    )
    champion: ChampionStatus | None = None
    decision: DecisionStatus | None = None
    pending: tuple[PendingTask, ...] = ()
    rollout: RolloutStatus | None = None
    streams: tuple[StreamStatus, ...] = ()
    views: tuple[ViewStatus, ...] = ()
    scores: ScoresStatus | None = None
    budget: BudgetStatus | None = None
    monitoring: MonitoringStatus | None = None


class Overview(Record):
    """The status of all models at one instant."""

    at: Instant
    models: tuple[ModelStatus, ...]
