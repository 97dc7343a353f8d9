"""Canaries that may promote for segments: what they claim falsely, and what they find and gain.

Entities arrive evenly over four weeks and belong to four segments of equal size. Each has one
outcome of standard deviation 1, half of whose variance a covariate explains. Sums and verdicts are
the product's. Harm is looked for twice a week. Entities of a segment that has left do not count.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from pipelines.core.findings import Finding
from pipelines.gates.canary.segment_gain import SEGMENTS_SHARE
from pipelines.gates.canary.sums import CanaryEvidence, EnrolledEntities, canary_sums
from pipelines.gates.canary.verdict import CanaryStep, judge_canary
from pipelines.outcomes.metric_rows import MetricRows, SegmentMembers
from pipelines.spec.rollout import Rollout
from tests.montecarlo.row import MeanRow, Row
from tests.support.canary_factory import SimulatedCanary, arrays, kinds, rollout

SEGMENTS, PER_DAY = 4, 120
LEVEL = 0.05  # of the canary, so that its errors are frequent enough to be counted
EFFECT, MARGIN = 0.1, 0.2  # least gain of the whole, tolerated loss of a segment
CHECKS = (7, 10, 14, 17, 21, 24, 28)
HELPED = 0.2  # gain of the segments that gain


@dataclass(frozen=True)
class EndedCanary:
    """How a canary ended.

    Arguments:
        step: the last step.
        gaining: the segments that it promoted for.
        left: the segments that left it.
        gains: the findings about segments at its end.
    """

    step: CanaryStep
    gaining: tuple[str, ...]
    left: tuple[str, ...]
    gains: tuple[Finding, ...]

    @property
    def promoted(self) -> tuple[str, ...]:
        """The segments whose entities the challenger answers afterwards."""
        if self.step is CanaryStep.PROMOTE:
            return tuple(str(one) for one in range(SEGMENTS))
        return self.gaining


def promoting(promote: str = "segments") -> Rollout:
    """A canary with four segments."""
    segments = kinds(SEGMENTS, MARGIN)
    return rollout(EFFECT, segments=segments, promote=promote, minimum_entities=50, futility=0.0)


def effects_of(effect: float, harmed: float) -> np.ndarray:
    """The true effect in each segment."""
    return np.array([effect + harmed, *[effect] * (SEGMENTS - 1)])


def run(live: SimulatedCanary, declared: Rollout) -> EndedCanary:
    """One canary until it ends."""
    entities, gain, _ = arrays(live)
    left: set[str] = set()
    for day in CHECKS:
        while True:
            shown = _shown(entities, gain, day, left)
            verdict = judge_canary(shown, declared, LEVEL, left=sorted(left))
            if not verdict.leaving or verdict.step.ends:
                break
            left |= set(verdict.leaving)
        if verdict.step.ends:
            break
    gains = tuple(one for one in verdict.findings if one.name.startswith("canary.segment_gain."))
    return EndedCanary(verdict.step, verdict.gaining, tuple(sorted(left)), gains)


def _shown(entities: EnrolledEntities, gain: MetricRows, at: int, left: set[str]) -> CanaryEvidence:
    """What is known after so many days, of entities whose segment is in the canary."""
    segment = np.asarray(entities.entity, np.int64) % SEGMENTS
    inside_now = np.array([str(one) not in left for one in range(SEGMENTS)])[segment]
    pick = np.flatnonzero((entities.day < at) & inside_now)
    assert entities.covariates is not None
    inside = EnrolledEntities(
        entities.entity[pick],
        entities.challenger[pick],
        entities.stage[pick],
        entities.day[pick],
        entities.covariates[pick],
    )
    always = np.ones(len(pick), np.bool_)
    outcomes = {"gain": MetricRows(gain.entity[pick], gain.day[pick], gain.value[pick], always)}
    parts = {
        f"gain.kind.{one}": SegmentMembers("gain", segment[pick] == one) for one in range(SEGMENTS)
    }
    return canary_sums(
        inside, outcomes, outcome="gain", elapsed_days=float(at), weeks=4, segments=parts
    )


def canaries_with(
    effect: float, harmed: float, many: int, seed: int, promote: str = "segments"
) -> list[EndedCanary]:
    """Canaries in which all segments gain the same, and the first one something more or less."""
    declared = promoting(promote)
    return [
        run(
            SimulatedCanary(
                per_day=PER_DAY,
                effect=effect,
                harmed=harmed,
                segments=SEGMENTS,
                seed=1_000_003 * seed + number,
            ),
            declared,
        )
        for number in range(many)
    ]


def falsely_promoted(ended: list[EndedCanary], truth: np.ndarray) -> int:
    """Canaries that promoted for all without a gain, or for a segment without one."""
    return sum(
        bool(one.promoted)
        and (
            truth.mean() <= 0
            if one.step is CanaryStep.PROMOTE
            else any(truth[int(value)] <= 0 for value in one.promoted)
        )
        for one in ended
    )


def gains_of(ended: list[EndedCanary], truth: np.ndarray) -> np.ndarray:
    """What each canary gains over all entities."""
    return np.array([sum(truth[int(value)] for value in one.promoted) / SEGMENTS for one in ended])


def limits_that_hold(ended: list[EndedCanary], truth: np.ndarray) -> tuple[int, int]:
    """Lower limits of gains that are below the truth, and how many there are."""
    pairs = [
        (one.interval.low, truth[int(one.name.rpartition(".")[2])])
        for canary in ended
        for one in canary.gains
        if one.interval is not None and one.interval.low is not None
    ]
    return sum(low <= true for low, true in pairs), len(pairs)


def segment_promotions(replications: int) -> Iterator[Row | MeanRow]:
    """A canary of four equal segments that promotes for all, or for the segments that gain.

    420 entities of each segment in each arm, so a segment's gain has a standard error of 0.05. The
    level of the canary is 5 %: half for the whole, half for the segments. Gains are in standard
    deviations of an entity's outcome.
    """
    worlds = (
        ("nothing differs", 0.0, 0.0),
        ("one loses 0.4, the others gain nothing", 0.0, -0.4),
        ("one loses 0.4, the others gain 0.2", HELPED, -0.4 - HELPED),
    )
    for place, (where, effect, harmed) in enumerate(worlds):
        truth = effects_of(effect, harmed)
        ended = canaries_with(effect, harmed, replications, 40 + place)
        whole = sum(one.step is CanaryStep.PROMOTE for one in ended)
        if (truth <= 0).any():
            yield Row("promoted falsely, for all or for a segment", where,
                      falsely_promoted(ended, truth), replications, "at most",
                      LEVEL if truth.mean() <= 0 else LEVEL * SEGMENTS_SHARE)  # fmt: skip
        yield Row("promoted for all", where, whole, replications)
        if harmed:
            first = sum("0" in one.promoted for one in ended)
            yield Row("the losing segment gets the version", where, first, replications,
                      "at most", LEVEL * SEGMENTS_SHARE)  # fmt: skip
        if effect:
            others = {str(one) for one in range(1, SEGMENTS)}
            yield Row("all segments that gain get the version", where,
                      sum(others <= set(one.promoted) for one in ended), replications)  # fmt: skip
            yield MeanRow("gain over all entities", where, gains_of(ended, truth))
            once = canaries_with(effect, harmed, replications, 40 + place, "all")
            yield MeanRow("gain over all entities, `promote: all`", where, gains_of(once, truth))
        held, shown = limits_that_hold(ended, truth)
        if shown:
            yield Row("lower limits of a segment's gain that hold", where, held, shown,
                      "at least", 1 - LEVEL * SEGMENTS_SHARE)  # fmt: skip
