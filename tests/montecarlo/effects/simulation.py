"""Simulated arms and panels, and what the estimates of effects say about them."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from pipelines.causal.average import average_effect
from pipelines.causal.difference_in_differences import (
    Panel,
    SwitchEffect,
    difference_in_differences,
)
from pipelines.causal.groups import Claim, family_tests, group_effects
from pipelines.causal.heterogeneity import heterogeneity
from pipelines.causal.learner import Learner
from pipelines.causal.report import FoundEffects
from pipelines.flows.effects.search import search_groups
from tests.support.effects.simulated_arms import KINDS, ArmsWorld, DrawnArms, draw_arms

MINIMUM = 40  # entities in each arm of a group
CLAIMED = (Claim.GAINS, Claim.LOSES)


class Declared(NamedTuple):
    """Counts over replications of four declared groups.

    Arguments:
        average_covered: averages whose interval contains the true mean effect.
        groups_covered: groups whose interval contains it, of ``groups``.
        groups: groups with an effect.
        false_claims: replications with a claim about a group whose true effect is zero, or of the
            wrong sign.
        harmed_named: replications in which kind 0 is shown to lose.
        differ: replications in which the effects by kind are shown to differ.
    """

    average_covered: int
    groups_covered: int
    groups: int
    false_claims: int
    harmed_named: int
    differ: int


def declared(world: ArmsWorld, replications: int, seed: int, *, minimum: int = MINIMUM) -> Declared:
    """Estimate the effects on four kinds of entities, again and again."""
    rng, counts = np.random.default_rng(seed), np.zeros(6, np.int64)
    for _ in range(replications):
        drawn = draw_arms(world, rng)
        found = group_effects(drawn.arms, drawn.groups, minimum=minimum)
        average = average_effect(drawn.arms, covariates=True)
        truths = [world.effect + world.harmed * (kind == 0) for kind in range(KINDS)]
        known = [(one, truth) for one, truth in zip(found, truths, strict=True) if one.effect]
        mean = world.effect + world.harmed / KINDS
        counts += [
            average.low <= mean <= average.high,
            sum(one.effect.low <= truth <= one.effect.high for one, truth in known),
            len(known),
            any(one.claim in CLAIMED and truth * one.effect.value <= 0 for one, truth in known),
            found[0].claim is Claim.LOSES,
            family_tests(found)[0].differ,
        ]
    return Declared(*counts.tolist())


class Found(NamedTuple):
    """Counts and values over replications of a search for groups.

    Arguments:
        covered: found groups whose interval contains their true mean effect, of ``groups``.
        groups: found groups with an effect.
        false_claims: replications with a claim about a group whose true mean effect is zero.
        differ: replications in which effects are shown to differ between entities.
        rule_better: replications in which the rule is shown to be better than for all.
        harmed_named: replications in which a found group of kind 0 alone is shown to lose.
    """

    covered: int
    groups: int
    false_claims: int
    differ: int
    rule_better: int
    harmed_named: int


def found(world: ArmsWorld, replications: int, seed: int) -> Found:
    """Search for groups, again and again."""
    rng, counts = np.random.default_rng(seed), np.zeros(6, np.int64)
    for at in range(replications):
        drawn = draw_arms(world, rng)
        result = searched(drawn, f"{seed}-{at}")
        effects = [one for one in result.groups if one.effect is not None]
        truth = [_true_mean(world, one.name) for one in effects]
        known = [(one, mean) for one, mean in zip(effects, truth, strict=True) if mean is not None]
        counts += [
            sum(one.effect.low <= mean <= one.effect.high for one, mean in known),
            len(known),
            any(one.claim in CLAIMED and mean * one.effect.value <= 0 for one, mean in known),
            result.heterogeneity is not None and result.heterogeneity.shown,
            result.targeting.better_than_all,
            any("kind = kind 0" in o.name and o.claim is Claim.LOSES for o in effects),
        ]
    return Found(*counts.tolist())


def searched(drawn: DrawnArms, salt: str) -> FoundEffects:
    """One search with the X-learner."""
    return search_groups(
        drawn.arms, drawn.frame, salt=salt, minimum=MINIMUM, learner=Learner.X_LEARNER
    )


def _true_mean(world: ArmsWorld, rule: str) -> float | None:
    """The true mean effect where a rule holds; None if it mixes kind 0 with others."""
    if not world.harmed:
        return world.effect
    if "not (kind = kind 0)" in rule:
        return world.effect
    if "kind = kind 0" in rule:
        return world.effect + world.harmed
    return None


def slopes(world: ArmsWorld, replications: int, seed: int) -> tuple[np.ndarray, int]:
    """The slope of the true effects as predictions, and how many intervals contain one."""
    rng, values, held = np.random.default_rng(seed), [], 0
    for _ in range(replications):
        drawn = draw_arms(world, rng)
        result = heterogeneity(drawn.arms, drawn.effect, minimum=MINIMUM)
        values.append(result.slope)
        held += result.interval.low <= 1.0 <= result.interval.high
    return np.array(values), held


def switched(
    replications: int, seed: int, *, drift: float = 0.0, regions: int | None = None
) -> list[SwitchEffect]:
    """Switches without an effect, of entities whose values of one period persist into the next.

    Arguments:
        drift: by how much the switched part from the others in each period.
        regions: switched as a whole; None: each entity by itself.
    """
    rng, results = np.random.default_rng(seed), []
    many, periods, first = 300, 10, 6
    for _ in range(replications):
        region = np.arange(many) if regions is None else rng.integers(0, regions, many)
        regional = rng.permutation(many if regions is None else regions)
        switch = (regional < len(regional) // 3)[region]
        noise = rng.normal(size=(many, periods))
        if regions is not None:
            noise = 0.7 * noise + 0.7 * rng.normal(size=(regions, periods))[region]
        for at in range(1, periods):
            noise[:, at] += 0.6 * noise[:, at - 1]
        outcome = rng.normal(size=(many, 1)) + switch[:, None] + rng.normal(size=periods) + noise
        outcome += drift * np.outer(switch, np.arange(periods))
        cluster = None if regions is None else region
        results.append(difference_in_differences(Panel(outcome, switch, first, cluster)))
    return results
