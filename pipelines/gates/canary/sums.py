"""The sums of a canary for each stage, arm and whole matured week, without data of single entities.

A week counts when it is over and all of its outcomes have matured; earlier, it would include only
the outcomes that arrive early. The sums up to a week are recomputed from all rows of each entity up
to then, so that an entity is one unit, however many rows it has.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal, NamedTuple

import numpy as np
from pydantic import Field

from pipelines.core.arrays import Codes, Floats, Integers, Mask
from pipelines.core.errors import DataError
from pipelines.core.records import Record
from pipelines.outcomes.metric_rows import MetricRows, SegmentMembers
from pipelines.spec.rollout import LiveMetric
from pipelines.stats.cuped import ArmsDifference, arms_difference, with_unknown_flags
from pipelines.stats.moments import Moments, moments

Arm = Literal["challenger", "control"]
ARMS: tuple[Arm, Arm] = ("challenger", "control")
WEEK = 7


@dataclass(frozen=True)
class EnrolledEntities:
    """The entities in the two arms, each once.

    Arguments:
        entity: codes of any type, shape (n,); numbers are the fastest.
        challenger: whether the entity is in the challenger arm, shape (n,).
        stage: ramp stage at which the entity entered its arm, from 0, shape (n,).
        day: day of its first answer in the arm, counted from the canary's start, shape (n,).
        covariates: values from before the canary, shape (n, covariates); NaN if unknown.
    """

    entity: Codes
    challenger: Mask
    stage: Integers
    day: Integers
    covariates: Floats | None = None


class MetricSums(Record):
    """Sums of one metric in one arm of one stage."""

    matured: int = Field(description="rows that have matured; an entity without any counts as one")
    observed: int = Field(description="of them, rows with a value")
    moments: Moments = Field(description="over entities: value, weight of a ratio, covariates")


class ArmSums(Record):
    """Sums of one arm of one stage."""

    stage: int
    arm: Arm
    entities: int = Field(description="first seen in that stretch")
    metrics: dict[str, MetricSums] = Field(description="by metric, or by segment of one")


class PeriodSums(Record):
    """Sums of all stages and arms over one period of the canary."""

    arms: tuple[ArmSums, ...]

    def arm(self, arm: Arm) -> tuple[ArmSums, ...]:
        """Return the sums of one arm, by stage."""
        return tuple(group for group in self.arms if group.arm == arm)

    def units(self, metric: str) -> tuple[int, int]:
        """Return the numbers of entities with a value of the metric, in challenger and control."""
        one, other = (sum(g.metrics[metric].moments.count for g in self.arm(arm)) for arm in ARMS)
        return one, other

    def difference(self, metric: LiveMetric) -> ArmsDifference:
        """Return challenger minus control, with the sign such that above zero is better.

        Raises:
            Undefined: there is nothing to compare, or the standard error is undefined.
        """
        challenger, control = (
            [group.metrics[metric.key].moments for group in self.arm(arm)] for arm in ARMS
        )
        found = arms_difference(challenger, control, ratio=metric.ratio)
        return found if metric.higher_is_better else found.negated()


class CanaryEvidence(Record):
    """The evidence that the verdict of a canary is computed from."""

    elapsed_days: float = Field(ge=0)
    cumulative_weeks: tuple[PeriodSums, ...] = Field(
        description="until the first, second, ... whole week"
    )
    latest_week: PeriodSums = Field(description="the last of those weeks alone")
    to_date: PeriodSums = Field(description="all that has matured, and everybody who is in an arm")
    days_in_week: tuple[int, ...] = Field(description="days of each whole week that have rows")


NO_SEGMENTS: Mapping[str, SegmentMembers] = MappingProxyType({})


def canary_sums(
    entities: EnrolledEntities,
    outcomes: Mapping[str, MetricRows],
    *,
    outcome: str,
    elapsed_days: float,
    weeks: int,
    segments: Mapping[str, SegmentMembers] = NO_SEGMENTS,
) -> CanaryEvidence:
    """Sum the metrics of a canary; the order of entities and rows does not affect the result.

    Arguments:
        entities: the entities in the two arms.
        outcomes: rows of each metric (outcome and guardrails), by name.
        outcome: name of the metric that decides.
        elapsed_days: days since the canary began.
        weeks: declared length of the canary; later rows count for harm only.
        segments: metrics to sum for a segment as well, by name.

    Raises:
        DataError: an entity occurs twice, a row belongs to no entity of the canary, or an entity
            has several rows of a metric that is not a ratio.
    """
    enrolled = _Enrolled(entities)
    rows = {name: _SortedRows(name, enrolled, outcomes[name]) for name in sorted(outcomes)}
    whole = 0
    for week in range(1, min(weeks, int(elapsed_days // WEEK)) + 1):
        if all(one.matured[one.day < WEEK * week].all() for one in rows.values()):
            whole = week
    everything = 1 + max(
        (int(one.max()) for one in (enrolled.day, *(r.day for r in rows.values())) if len(one)),
        default=0,
    )

    def sums_between(start: int, end: int) -> PeriodSums:
        return PeriodSums(arms=tuple(_arm_sums(enrolled, rows, segments, start, end)))

    days = rows[outcome].day
    return CanaryEvidence(
        elapsed_days=elapsed_days,
        cumulative_weeks=tuple(sums_between(0, WEEK * week) for week in range(1, whole + 1)),
        latest_week=sums_between(WEEK * max(whole - 1, 0), WEEK * whole),
        to_date=sums_between(0, everything),
        days_in_week=tuple(
            len(np.unique(days[(days >= WEEK * week) & (days < WEEK * (week + 1))]))
            for week in range(whole)
        ),
    )


class EntityTotals(NamedTuple):
    """The matured rows of a metric, summed for each entity.

    Arguments:
        value: sum of the values, shape (n,).
        weight: sum of the denominators of a ratio, shape (n,); None for any other metric.
        observed: rows with a value, shape (n,).
        matured: rows that have matured, shape (n,).
    """

    value: Floats
    weight: Floats | None
    observed: Integers
    matured: Integers


def entity_totals(name: str, entities: EnrolledEntities, given: MetricRows) -> EntityTotals:
    """Sum all matured rows of a metric by entity, in the order of ``entities``.

    Arguments:
        name: the metric's name, for error messages.
        entities: the entities in the two arms.
        given: the rows of the metric.

    Raises:
        DataError: as ``canary_sums``.
    """
    enrolled = _Enrolled(entities)
    rows = _SortedRows(name, enrolled, given)
    days = np.concatenate([rows.day, [0]])
    summed = _sum_by_entity(enrolled, rows, int(days.min()), int(days.max()) + 1)
    place = np.argsort(enrolled.order)
    return EntityTotals(
        value=summed.columns[place, 0],
        weight=summed.columns[place, 1] if rows.ratio else None,
        observed=summed.observed[place],
        matured=summed.matured[place],
    )


class _Enrolled:
    """Enrolled entities in the order of their codes, with their covariates.

    A covariate with unknown values has an additional indicator column for them.
    """

    def __init__(self, given: EnrolledEntities) -> None:
        self.entity, order = np.unique(given.entity, return_index=True)
        if len(order) < len(given.entity):
            raise DataError(
                "an entity stands twice among those in the canary",
                got=f"{len(given.entity)} rows of {len(order)} entities",
                wanted="each entity once, in one arm and in the stage in which it was first seen",
                hint="see whether entities were merged, or moved between arms",
            )
        self.order = order
        self.challenger = np.asarray(given.challenger, np.bool_)[order]
        self.stage = np.asarray(given.stage, np.int64)[order]
        self.day = np.asarray(given.day, np.int64)[order]
        covariates = (
            np.zeros((len(order), 0)) if given.covariates is None else given.covariates[order]
        )
        self.covariates = with_unknown_flags(covariates)


class _SortedRows:
    """The sorted rows of a metric, with the positions of their entities."""

    def __init__(self, name: str, enrolled: _Enrolled, given: MetricRows) -> None:
        many = len(enrolled.entity)
        place = np.minimum(np.searchsorted(enrolled.entity, given.entity), max(many - 1, 0))
        strange = int(np.sum(enrolled.entity[place] != given.entity)) if many else len(place)
        if strange:
            raise DataError(
                "a row belongs to no entity of the canary",
                where=name,
                got=f"{strange} of {len(place)} rows",
                wanted="rows of entities that are in one of the two arms",
            )
        busy = int(np.count_nonzero(np.bincount(place, minlength=many)))
        if given.weight is None and busy < len(place):
            raise DataError(
                "an entity has several rows of a metric that is no ratio",
                where=name,
                got=f"{len(place)} rows of {busy} entities",
                wanted="one row for each entity, or weights to divide by",
                hint="declare the metric as a ratio, or count each entity's first days only",
            )
        weight = np.zeros(len(place)) if given.weight is None else given.weight
        # Floating-point sums depend on the order of the rows, so sort them.
        order = np.lexsort((weight, given.value, place))
        self.place, self.day = place[order], np.asarray(given.day, np.int64)[order]
        self.value, self.weight = given.value[order], weight[order]
        self.matured, self.ratio = given.matured[order], given.weight is not None


def _arm_sums(
    enrolled: _Enrolled,
    rows: Mapping[str, _SortedRows],
    segments: Mapping[str, SegmentMembers],
    start: int,
    end: int,
) -> Iterator[ArmSums]:
    summed = {name: _sum_by_entity(enrolled, one, start, end) for name, one in rows.items()}
    entered = (enrolled.day >= start) & (enrolled.day < end)
    for stage in np.unique(enrolled.stage).tolist():
        for arm in ARMS:
            mine = (enrolled.stage == stage) & (enrolled.challenger == (arm == "challenger"))
            yield ArmSums(
                stage=stage,
                arm=arm,
                entities=int((mine & entered).sum()),
                metrics={
                    **{name: one.metric_sums(mine, entered) for name, one in summed.items()},
                    **{
                        name: summed[part.metric].metric_sums(
                            mine & part.members[enrolled.order], entered
                        )
                        for name, part in segments.items()
                    },
                },
            )


@dataclass(frozen=True)
class _EntitySums:
    """The rows of a metric, summed for each entity."""

    columns: Floats
    matured: Integers
    observed: Integers
    waiting: Mask

    def metric_sums(self, mine: Mask, entered: Mask) -> MetricSums:
        """Sum over some entities; an entity that entered and has no row counts as a missing row.

        This does not apply to entities whose rows have not matured yet.
        """
        lacking = int((mine & entered & (self.matured == 0) & ~self.waiting).sum())
        return MetricSums(
            matured=int(self.matured[mine].sum()) + lacking,
            observed=int(self.observed[mine].sum()),
            moments=moments(self.columns[mine & (self.observed > 0)]),
        )


def _sum_by_entity(enrolled: _Enrolled, rows: _SortedRows, start: int, end: int) -> _EntitySums:
    many = len(enrolled.entity)
    within = (rows.day >= start) & (rows.day < end)
    due = within & rows.matured
    observed = due & ~np.isnan(rows.value)

    def added(which: Mask, values: Floats | None = None) -> Floats:
        weights = None if values is None else values[which]
        return np.bincount(rows.place[which], weights, many).astype(np.float64)

    lead = [added(observed, rows.value), *([added(observed, rows.weight)] if rows.ratio else [])]
    return _EntitySums(
        columns=np.column_stack([*lead, enrolled.covariates]),
        matured=added(due).astype(np.int64),
        observed=added(observed).astype(np.int64),
        waiting=added(within & ~rows.matured) > 0,
    )
