"""Canaries with segments: what their guardrails cost, and what they find.

Before segments were judged the rule was the same without their guardrails: ``declared=False``.
Segments of equal size are independent Brownian motions whose scores add up to the whole's: each has
its share of the information. ``effects`` are in minimum effects of the whole.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import stats

from pipelines.core.arrays import Floats
from pipelines.core.counts import counted
from pipelines.gates.canary.harm import HARM_TUNING
from pipelines.stats.sequential.anytime import log_evidence, mixing
from pipelines.stats.sequential.group_sequential import planned_information
from tests.montecarlo.canary.entities import LEVEL
from tests.montecarlo.canary.year import (
    EQUAL,
    INFORMATION,
    PROMOTE,
    ROLL_BACK,
    TRIES,
    Canaries,
    Ended,
    Gate,
    Guarded,
    judged,
    paths,
    recommended,
    rule,
    years,
)
from tests.montecarlo.row import Promise, Row

GUARDRAIL_ALPHA, POWER = 0.05, 0.9
MARGIN = 1.0  # of a segment


def guarded(score: Floats, margin: float, alpha: float, information: Floats) -> Guarded:
    """One segment's guardrail, as the canary computes it.

    Arguments:
        score: at the end of each day, shape (n, days).
        alpha: its share of the level.
        information: at the end of each day, shape (days,).
    """
    target_information = planned_information(margin, GUARDRAIL_ALPHA, POWER)
    against = -(score + margin * information)
    wealth = log_evidence(against, np.broadcast_to(information, score.shape),
                          mixing(HARM_TUNING * target_information, alpha))  # fmt: skip
    known = information[6::7]
    lowest = score[:, 6::7] / known - stats.norm.isf(GUARDRAIL_ALPHA) / np.sqrt(known)
    return Guarded(wealth >= math.log(1 / alpha), lowest > -margin)


def segmented(
    effects: Floats,
    rng: np.random.Generator,
    *,
    margin: float = MARGIN,
    level: float = LEVEL,
    declared: bool = True,
) -> Ended:
    """How canaries end whose segments have these effects, shape (n, segments)."""
    segments = effects.shape[1]
    information = INFORMATION / segments
    scores = [paths(effects[:, one], rng, information) for one in range(segments)]
    found = [guarded(one, margin, GUARDRAIL_ALPHA / segments, information) for one in scores]
    everything = Guarded(
        np.any([one.harmed for one in found], axis=0), np.all([one.holds for one in found], axis=0)
    )
    whole = np.sum(scores, axis=0)
    return judged(whole, rule(level), guarded=everything if declared else None)


def with_segments(segments: int, level: float = LEVEL) -> Canaries:
    """The canary of this product with as many segments, all of them with the same truth."""
    return lambda truth, rng: segmented(
        np.repeat(truth[:, None], segments, axis=1), rng, level=level
    )


def harmed(many: int, segments: int, by: float) -> Floats:
    """Effects of which the first is below zero by so much, and the whole is the minimum effect."""
    effects = np.full((many, segments), (segments + by) / (segments - 1))
    effects[:, 0] = -by
    return effects


def least_power(segments: int, power: float = 0.891) -> float:
    """At least so many win that help every segment alike, by the union bound.

    One segment's guardrail fails to hold in week 4 with a chance that its normal estimate gives.
    """
    error = math.sqrt(segments / INFORMATION[-1])
    one = stats.norm.cdf((1 + MARGIN) / error - stats.norm.isf(GUARDRAIL_ALPHA))
    return float(power - segments * (1 - one))


def at_the_limit(many: int, segments: int, rng: np.random.Generator) -> npt.NDArray[np.bool_]:
    """Whether any segment is ever called harmed though each is worse by just the margin."""
    information = INFORMATION / segments
    truth = np.full(many, -MARGIN)
    return np.any(
        [
            guarded(paths(truth, rng, information), MARGIN, GUARDRAIL_ALPHA / segments, information)
            .harmed.any(axis=1)
            for _ in range(segments)
        ],
        axis=0,
    )  # fmt: skip


def segments(replications: int) -> Iterator[Row]:
    """A canary with segments of equal size, and the same draws without their guardrails.

    Simulated as score paths, with the bounds of the product. The margin of a segment is one minimum
    effect of the whole. Where one segment is harmed, the whole is better by the minimum effect.
    """
    many = 4 * replications
    for place, count in enumerate((2, 4, 8)):
        hit = at_the_limit(many, count, np.random.default_rng([193, place]))
        where = f"{count}, each worse by its margin"
        yield Row("false rollback by any segment, daily checks", where,
                  int(hit.sum()), many, "at most", GUARDRAIL_ALPHA)  # fmt: skip
    truths: list[tuple[str, str, Any, int, tuple[Promise, float] | None]] = [
        ("promoted", f"{count}, all better by the minimum effect", np.ones((many, count)), PROMOTE,
         ("at least", least_power(count)))
        for count in (2, 4, 8)
    ]  # fmt: skip
    truths += [
        (what, f"4, one worse by {counted(by, 'margin')}", harmed(many, 4, by), step, None)
        for by in (1.0, 2.0, 4.0)
        for what, step in (("promoted", PROMOTE), ("rolled back", ROLL_BACK))
    ]
    truths += [
        ("promoted", "4, nothing differs", np.zeros((many, 4)), PROMOTE, ("at most", LEVEL)),
        ("rolled back", "4, nothing differs", np.zeros((many, 4)), ROLL_BACK, None),
    ]
    for place, (what, where, effects, step, promised) in enumerate(truths):
        for declared in (False, True):
            ended = segmented(effects, np.random.default_rng([194, place]), declared=declared)
            kind, rate = promised if declared and promised else (None, 0.0)
            yield Row(what if declared else f"{what}, segments not declared", where,
                      int((ended.step == step).sum()), many, kind, rate)  # fmt: skip
    for where, gate in (
        ("4 segments", Gate(None, with_segments(4), TRIES)),
        ("none", recommended(None)),
    ):
        found = years(gate, EQUAL, replications, np.random.default_rng(195))
        yield Row("year with a false promotion, offline gate useless", where,
                  int((found.false > 0).sum()), replications, "at most", 0.05)  # fmt: skip
