"""Canaries for tests: entities with a past, arms, a ramp, outcomes that may come late."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from pipelines.gates.canary.sums import CanaryEvidence, EnrolledEntities, canary_sums
from pipelines.outcomes.metric_rows import MetricRows, SegmentMembers
from pipelines.spec.live_metrics import LATE
from pipelines.spec.rollout import Canary, LiveGuardrail, LiveOutcome, Rollout

RAMP_DAY = 2  # from which the second stage takes new entities in


def rollout(effect: float = 0.2, margin: float | None = None, **canary: object) -> Rollout:
    """A rollout on ``gain``, with a guardrail ``errors`` if it is given a margin."""
    guards = (
        () if margin is None else (LiveGuardrail(name="errors", margin=margin, upper_bound=1.0),)
    )
    outcome = LiveOutcome(name="gain", higher_is_better=True, minimum_effect=effect)
    return Rollout(
        canary=Canary.model_validate(
            {"outcome": outcome, "guardrails": guards, "covariates": ("past",), **canary}
        )
    )


def kinds(many: int, margin: float, metric: str = "gain") -> list[dict[str, object]]:
    """The declaration of as many segments of the column ``kind``."""
    values = tuple(str(value) for value in range(many))
    return [{"column": "kind", "values": values, "metric": metric, "margin": margin}]


@dataclass(frozen=True)
class SimulatedCanary:
    """What happens on live traffic. ``delay`` is in days, of each arm: challenger, control."""

    per_day: int = 60
    effect: float = 0.0
    past: float = 0.7  # correlation of outcome and past
    errors: tuple[float, float] = (0.02, 0.02)
    lost: float = 0.0  # share of the challenger's outcomes that never come
    dropped: float = 0.0  # share of the challenger's entities that vanish
    novelty: float = 0.0  # effect of the first week alone
    wait: int = 0  # days until an outcome has matured
    late: tuple[float, float] | None = None  # share of events that come later, in each arm
    days: int = 28
    seed: int = 0
    segments: int = 0  # as many equal ones, 0, 1, ... of the column ``kind``
    harmed: float = 0.0  # what is added to the gain in the first segment
    skip: frozenset[int] = field(default_factory=frozenset)  # days without traffic


def arrays(live: SimulatedCanary) -> tuple[EnrolledEntities, MetricRows, MetricRows]:
    """Everything that will have happened: entities, their gain, their errors; all matured."""
    rng = np.random.default_rng(live.seed)
    day = np.repeat([d for d in range(live.days) if d not in live.skip], live.per_day)
    n = len(day)
    challenger = rng.random(n) < 0.5
    keep = ~(challenger & (rng.random(n) < live.dropped))
    past = rng.normal(size=n)
    noise = live.past * past + np.sqrt(1 - live.past**2) * rng.normal(size=n)
    effect = live.effect + live.novelty * (day < 7)
    gain = noise + challenger * effect
    if live.segments:
        gain += challenger * live.harmed * (np.arange(n) % live.segments == 0)
    gain[challenger & (rng.random(n) < live.lost)] = np.nan
    wrong = (rng.random(n) < np.where(challenger, *live.errors)).astype(float)
    entity, matured = np.arange(n), np.ones(n, bool)
    keep_day = day[keep]
    entities = EnrolledEntities(
        entity[keep],
        challenger[keep],
        (keep_day >= RAMP_DAY).astype(int),
        keep_day,
        past[keep, None],
    )
    rows = (entity[keep], keep_day)
    return (
        entities,
        MetricRows(*rows, gain[keep], matured[keep]),
        MetricRows(*rows, wrong[keep], matured[keep], np.ones(keep.sum())),
    )


def evidence(
    live: SimulatedCanary,
    at: float,
    *,
    guards: bool = False,
    order: np.ndarray | None = None,
    columns: tuple[str, ...] = ("kind",),
) -> CanaryEvidence:
    """What is known ``at`` days after the start; the segments are values of each column."""
    entities, gain, errors = arrays(live)
    there = entities.day < at
    pick = np.flatnonzero(there) if order is None else order[there[order]]

    def rows(one: MetricRows, wait: int) -> MetricRows:
        matured = one.day[pick] + 1 + wait <= at
        weight = None if one.weight is None else one.weight[pick]
        value = np.where(matured, one.value[pick], np.nan)
        return MetricRows(one.entity[pick], one.day[pick], value, matured, weight)

    assert entities.covariates is not None
    shown = EnrolledEntities(
        entities.entity[pick],
        entities.challenger[pick],
        entities.stage[pick],
        entities.day[pick],
        entities.covariates[pick],
    )
    outcomes = {"gain": rows(gain, live.wait)} | ({"errors": rows(errors, 0)} if guards else {})
    if live.late:
        share = np.where(shown.challenger, *live.late)
        late = (np.random.default_rng([live.seed, 1]).random(len(share)) < share).astype(float)
        always = np.ones(len(share), bool)
        outcomes[LATE] = MetricRows(shown.entity, shown.day, late, always, np.ones(len(share)))
    parts = {
        f"{metric}.{column}.{value}": SegmentMembers(metric, shown.entity % live.segments == value)
        for column in columns
        for metric in outcomes
        for value in range(live.segments)
    }
    return canary_sums(shown, outcomes, outcome="gain", elapsed_days=at, weeks=4, segments=parts)
