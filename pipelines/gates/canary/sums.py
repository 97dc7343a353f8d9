"""What a canary knows: sums for each stage, arm and whole matured week, and nothing of anybody.

A week counts when it is over and every outcome of it has matured; before that it would count those
whose outcome came early. Sums until a week are made anew from each entity's rows until then, so
that an entity is one unit however many rows it has.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal

import numpy as np
from pydantic import Field

from pipelines.core.arrays import Codes, Floats, Integers, Mask
from pipelines.core.errors import DataError
from pipelines.core.records import Record
from pipelines.outcomes.metric_rows import Outcomes, Part
from pipelines.spec.rollout import LiveMetric
from pipelines.stats.cuped import ArmsDifference, arms_difference
from pipelines.stats.moments import Moments, moments

Arm = Literal["challenger", "control"]
ARMS: tuple[Arm, Arm] = ("challenger", "control")
WEEK = 7


@dataclass(frozen=True)
class Entities:
    """Whoever was put into one of the two arms, each once.

    Arguments:
        entity: any codes, numbers are the fastest, shape (n,).
        challenger: whether it is answered by the challenger, shape (n,).
        stage: of the ramp, when it was first seen in its arm, from 0, shape (n,).
        day: on which that was, counted from the canary's start, shape (n,).
        past: covariates from before the canary, shape (n, covariates); NaN: not known.
    """

    entity: Codes
    challenger: Mask
    stage: Integers
    day: Integers
    past: Floats | None = None


class Reading(Record):
    """One metric in one arm of one stage."""

    due: int = Field(description="rows that have matured; an entity without any counts as one")
    seen: int = Field(description="of them, rows with a value")
    moments: Moments = Field(description="over entities: value, weight of a ratio, covariates")


class Group(Record):
    """One arm of one stage."""

    stage: int
    arm: Arm
    entities: int = Field(description="first seen in that stretch")
    readings: dict[str, Reading] = Field(description="by metric, or by segment of one")


class Standing(Record):
    """All stages and arms over some stretch of the canary."""

    groups: tuple[Group, ...]

    def arm(self, arm: Arm) -> tuple[Group, ...]:
        """An arm's groups, by stage."""
        return tuple(group for group in self.groups if group.arm == arm)

    def units(self, metric: str) -> tuple[int, int]:
        """Entities with a value of the metric in the challenger's and in the control arm."""
        one, other = (sum(g.readings[metric].moments.count for g in self.arm(arm)) for arm in ARMS)
        return one, other

    def difference(self, metric: LiveMetric) -> ArmsDifference:
        """Challenger minus control, turned so that above zero the challenger is better.

        Raises:
            Undefined: there is nothing to compare, or no error to hold it against.
        """
        challenger, control = (
            [group.readings[metric.key].moments for group in self.arm(arm)] for arm in ARMS
        )
        found = arms_difference(challenger, control, ratio=metric.ratio)
        return found if metric.higher_is_better else found.turned()


class CanaryEvidence(Record):
    """Everything that the canary's verdict is made of."""

    elapsed_days: float = Field(ge=0)
    weeks: tuple[Standing, ...] = Field(description="until the first, second, ... whole week")
    latest: Standing = Field(description="the last of those weeks alone")
    now: Standing = Field(description="all that has matured, and everybody who is in an arm")
    weekdays: tuple[int, ...] = Field(description="days of each whole week that have rows")


NO_PARTS: Mapping[str, Part] = MappingProxyType({})


def gather(
    entities: Entities,
    outcomes: Mapping[str, Outcomes],
    *,
    outcome: str,
    elapsed_days: float,
    weeks: int,
    parts: Mapping[str, Part] = NO_PARTS,
) -> CanaryEvidence:
    """Sums of a canary, the same whatever the order of entities and rows.

    Arguments:
        entities: everybody in an arm.
        outcomes: rows of each metric, outcome and guardrails, by name.
        outcome: which of them decides.
        elapsed_days: since the canary began.
        weeks: after which it ends; later rows count for harm only.
        parts: what is also summed for some of the entities alone, by name.

    Raises:
        DataError: an entity stands twice, a row is of nobody in the canary, or an entity has
            several rows of a metric that is no ratio.
    """
    people = _People(entities)
    rows = {name: _Rows(name, people, outcomes[name]) for name in sorted(outcomes)}
    whole = 0
    for week in range(1, min(weeks, int(elapsed_days // WEEK)) + 1):
        if all(one.matured[one.day < WEEK * week].all() for one in rows.values()):
            whole = week
    everything = 1 + max(
        (int(one.max()) for one in (people.day, *(r.day for r in rows.values())) if len(one)),
        default=0,
    )

    def standing(start: int, end: int) -> Standing:
        return Standing(groups=tuple(_groups(people, rows, parts, start, end)))

    days = rows[outcome].day
    return CanaryEvidence(
        elapsed_days=elapsed_days,
        weeks=tuple(standing(0, WEEK * week) for week in range(1, whole + 1)),
        latest=standing(WEEK * max(whole - 1, 0), WEEK * whole),
        now=standing(0, everything),
        weekdays=tuple(
            len(np.unique(days[(days >= WEEK * week) & (days < WEEK * (week + 1))]))
            for week in range(whole)
        ),
    )


class _People:
    """Entities in the order of their codes, and the columns of their past."""

    def __init__(self, given: Entities) -> None:
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
        past = np.zeros((len(order), 0)) if given.past is None else given.past[order]
        unknown = np.isnan(past)
        lacking = unknown[:, unknown.any(axis=0)].astype(np.float64)
        self.past = np.column_stack([np.where(unknown, 0.0, past), lacking])


class _Rows:
    """A metric's rows, sorted, with the place of their entity."""

    def __init__(self, name: str, people: _People, given: Outcomes) -> None:
        many = len(people.entity)
        place = np.minimum(np.searchsorted(people.entity, given.entity), max(many - 1, 0))
        strange = int(np.sum(people.entity[place] != given.entity)) if many else len(place)
        if strange:
            raise DataError(
                "a row belongs to nobody in the canary",
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
        # Sums of floating-point numbers depend on their order: one order, whatever came.
        order = np.lexsort((weight, given.value, place))
        self.place, self.day = place[order], np.asarray(given.day, np.int64)[order]
        self.value, self.weight = given.value[order], weight[order]
        self.matured, self.ratio = given.matured[order], given.weight is not None


def _groups(
    people: _People, rows: Mapping[str, _Rows], parts: Mapping[str, Part], start: int, end: int
) -> Iterator[Group]:
    summed = {name: _summed(people, one, start, end) for name, one in rows.items()}
    entered = (people.day >= start) & (people.day < end)
    for stage in np.unique(people.stage).tolist():
        for arm in ARMS:
            mine = (people.stage == stage) & (people.challenger == (arm == "challenger"))
            yield Group(
                stage=stage,
                arm=arm,
                entities=int((mine & entered).sum()),
                readings={
                    **{name: one.reading(mine, entered) for name, one in summed.items()},
                    **{
                        name: summed[part.metric].reading(mine & part.whom[people.order], entered)
                        for name, part in parts.items()
                    },
                },
            )


@dataclass(frozen=True)
class _Summed:
    """A metric's rows, added up for each entity."""

    columns: Floats
    due: Integers
    seen: Integers
    waiting: Mask

    def reading(self, mine: Mask, entered: Mask) -> Reading:
        """Of some entities; whoever entered and has no row, come or to come, lacks one."""
        lacking = int((mine & entered & (self.due == 0) & ~self.waiting).sum())
        return Reading(
            due=int(self.due[mine].sum()) + lacking,
            seen=int(self.seen[mine].sum()),
            moments=moments(self.columns[mine & (self.seen > 0)]),
        )


def _summed(people: _People, rows: _Rows, start: int, end: int) -> _Summed:
    many = len(people.entity)
    within = (rows.day >= start) & (rows.day < end)
    due = within & rows.matured
    seen = due & ~np.isnan(rows.value)

    def added(which: Mask, values: Floats | None = None) -> Floats:
        weights = None if values is None else values[which]
        return np.bincount(rows.place[which], weights, many).astype(np.float64)

    lead = [added(seen, rows.value), *([added(seen, rows.weight)] if rows.ratio else [])]
    return _Summed(
        columns=np.column_stack([*lead, people.past]),
        due=added(due).astype(np.int64),
        seen=added(seen).astype(np.int64),
        waiting=added(within & ~rows.matured) > 0,
    )
