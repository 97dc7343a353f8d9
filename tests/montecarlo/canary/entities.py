"""Canaries made of entities: hourly checks, outcomes that come late, arms that lose entities."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import stats

from pipelines.core.arrays import Floats, Integers, Mask
from pipelines.gates.canary.comparability import EQUAL_ARMS
from pipelines.gates.canary.harm import HARM_TUNING
from pipelines.gates.canary.sums import EnrolledEntities, canary_sums
from pipelines.gates.canary.verdict import CanaryStep, judge_canary
from pipelines.outcomes.metric_rows import MetricRows
from pipelines.spec.live_metrics import LATE
from pipelines.spec.rollout import Canary, LiveOutcome, Rollout
from pipelines.stats.sample_ratio import CONCENTRATIONS, log_bayes_factor
from pipelines.stats.sequential.anytime import anytime_interval, log_evidence, mixing
from pipelines.stats.sequential.group_sequential import planned_information
from tests.support.canary_factory import SimulatedCanary, evidence, rollout

HOURS, FEWEST = 24 * 28, 200
LEVEL = 0.05 / 26


def skewed(rng: np.random.Generator, shape: tuple[int, ...]) -> npt.NDArray[np.float64]:
    """Nineteen of twenty spend nothing, the others a lognormal sum: skewness 6."""
    spends = rng.random(shape) < 0.05
    return np.where(spends, np.exp(0.5 * rng.normal(size=shape)), 0.0)


def alarms(
    many: int,
    rng: np.random.Generator,
    *,
    worse: float = 0.0,
    per_hour: int = 20,
    alpha: float = 0.01,
) -> npt.NDArray[np.int64]:
    """The hour of the first alarm over harm, checked every hour for four weeks; 0: none.

    The statistic is made of sums of entities' outcomes as ``arms_difference`` makes it of one
    stage without covariates; the bound is tuned as the canary's gate tunes it.

    Arguments:
        worse: by how many minimum effects the challenger is; the effect is as large as these
            entities find with 90 % power.
        alpha: of the bound.
    """
    variance = 0.05 * math.exp(2 * 0.25) - (0.05 * math.exp(0.125)) ** 2
    information = per_hour * HOURS / (2 * variance)
    effect = 4.172 / math.sqrt(information)  # z of 0.05 / 26 and of 90 % power
    rho = mixing(HARM_TUNING * planned_information(effect, LEVEL, 0.9), alpha)
    sums, squares = np.zeros((2, 2, many))
    first = np.zeros(many, np.int64)
    for hour in range(1, HOURS + 1):
        for arm in (0, 1):
            observed = skewed(rng, (many, per_hour)) - arm * worse * effect
            sums[arm] += observed.sum(axis=1)
            squares[arm] += np.square(observed).sum(axis=1)
        n = per_hour * hour
        if n < FEWEST:
            continue
        spread = (squares - np.square(sums) / n) / (n - 1) / n
        known = 1 / spread.sum(axis=0)
        score = (sums[0] - sums[1]) / n * known
        alarm = log_evidence(score, known, rho) >= math.log(1 / alpha)
        first[alarm & (first == 0)] = hour
    return first


def t_test_alarms(many: int, rng: np.random.Generator, level: float = 0.01) -> Mask:
    """Whether a t-test, looked at every hour for four weeks, ever calls equal arms harmed."""
    z = np.cumsum(rng.normal(size=(many, HOURS)), axis=1) / np.sqrt(np.arange(1, HOURS + 1))
    found: Any = (z[:, 10:] >= stats.norm.isf(level)).any(axis=1)
    return found


def mismatches(
    many: int, rng: np.random.Generator, *, lost: float = 0.0, per_day: int = 20_000
) -> Mask:
    """Whether arms of one size are ever called unequal: a ramp of three stages, daily for 28 days.

    Arguments:
        lost: share of the challenger's entities that go missing.
        per_day: entities in both arms of the last stage.
    """
    shares = np.asarray(EQUAL_ARMS)
    found, total = np.full(many, False), np.zeros((len(CONCENTRATIONS), many))
    for days, size in ((2, 0.1), (5, 0.5), (21, 1.0)):
        counts = np.zeros((many, 2))
        for _ in range(days):
            arrived = int(per_day * size)
            one = rng.binomial(arrived, 0.5, many)
            counts += np.stack([rng.binomial(one, 1 - lost), arrived - one], axis=1)
            now = np.stack([log_bayes_factor(counts, shares, c) for c in CONCENTRATIONS])
            mean = np.exp(total + now).mean(axis=0)
            found |= mean >= 1 / 0.01
        total += now
    return found


def covered(many: int, rng: np.random.Generator, *, at: float = 21.0) -> tuple[Mask, Mask]:
    """Whether 90 % intervals hold the truth, nothing, when one arm's outcomes come sooner.

    Three of ten entities convert in both arms; with the challenger within 2 days, with the control
    within 12. First what the canary counts, matured whole weeks; then all who were seen, with "not
    yet" read as "no".
    """
    metric = LiveOutcome(name="converted", higher_is_better=True, minimum_effect=0.1)
    right, naive = np.zeros((2, many), np.bool_)
    for place in range(many):
        day = np.repeat(np.arange(int(at)), 60)
        n = len(day)
        challenger = rng.random(n) < 0.5
        delay = rng.random(n) * np.where(challenger, 2, 12)
        converts = rng.random(n) < 0.3
        observed = (converts & (day + delay <= at)).astype(float)
        unit = EnrolledEntities(np.arange(n), challenger, np.zeros(n, int), day)
        for matured, kept in ((day + 1 + 12 <= at, right), (np.ones(n, bool), naive)):
            rows = MetricRows(np.arange(n), day, observed, matured)
            known = canary_sums(
                unit, {"converted": rows}, outcome="converted", elapsed_days=at, weeks=4
            )
            ends = known.cumulative_weeks[-1].difference(metric).interval(0.9)
            assert ends.low is not None
            assert ends.high is not None
            kept[place] = ends.low <= 0 <= ends.high
    return right, naive


def declared_too_short(
    many: int,
    seed: int,
    *,
    delay: tuple[float, float],
    better: float = 0.0,
    per_day: int = 400,
    wait: int = 7,
) -> tuple[list[CanaryStep], list[CanaryStep]]:
    """How canaries end, at 0.05, if some outcomes come after they were declared to have come.

    Three of ten entities convert, after an exponential time.

    Arguments:
        delay: its mean in days, with the challenger and with the control.
        better: what is added to the challenger's share of conversions.
        per_day: entities in both arms.
        wait: days after which a conversion is declared to be known.

    Returns:
        Ends of canaries without the data on which conversions came late, and with it.
    """
    worlds = [_conversions(np.random.default_rng([seed, one]), delay, better, per_day)
              for one in range(many)]  # fmt: skip
    untold, reported = (
        [_ended(world, wait, watched=one) for world in worlds] for one in (False, True)
    )
    return untold, reported


@dataclass(frozen=True)
class _Conversions:
    """EnrolledEntities of 28 days: their day, arm, whether they convert, and when that is known."""

    day: Integers
    challenger: Mask
    converts: Mask
    known: Floats


def _conversions(
    rng: np.random.Generator, delay: tuple[float, float], better: float, per_day: int
) -> _Conversions:
    day = np.repeat(np.arange(28), per_day)
    challenger = rng.random(len(day)) < 0.5
    converts = rng.random(len(day)) < 0.3 + better * challenger
    return _Conversions(
        day, challenger, converts, day + rng.exponential(np.where(challenger, *delay))
    )


def _ended(world: _Conversions, wait: int, *, watched: bool) -> CanaryStep:
    metric = LiveOutcome(name="converted", higher_is_better=True, minimum_effect=0.03)
    declared = Rollout(canary=Canary(outcome=metric, futility=0.0))
    step = CanaryStep.CONTINUE
    for at in (7 + wait, 14 + wait, 21 + wait, 28 + wait):
        unit = np.flatnonzero(world.day < at)
        day, observed = world.day[unit], (world.converts & (world.known <= at))[unit]
        complete = day + 1 + wait
        outcomes = {"converted": MetricRows(unit, day, observed.astype(float), complete <= at)}
        if watched:
            late = (world.known[unit] > complete)[observed].astype(float)
            ones = np.ones(len(late))
            outcomes[LATE] = MetricRows(unit[observed], day[observed], late, ones > 0, ones)
        known = canary_sums(
            EnrolledEntities(unit, world.challenger[unit], np.zeros(len(unit), int), day),
            outcomes,
            outcome="converted",
            elapsed_days=float(at),
            weeks=4,
        )
        step = judge_canary(known, declared, 0.05).step
        if step.ends:
            break
    return step


def always_covered(many: int, rng: np.random.Generator) -> Mask:
    """Whether 90 % intervals that may be watched hold the truth at every hour of four weeks."""
    known = np.arange(1, HOURS + 1) * (17.4 / HOURS)  # of the planned information, by hours
    reach = np.array([anytime_interval(0.0, one**-0.5, 0.9, 17.4).high for one in known])
    held = np.full(many, True)
    for part in np.array_split(np.arange(many), max(1, many // 500)):
        noise = rng.normal(size=(len(part), HOURS)) * math.sqrt(known[0])
        held[part] = (np.abs(np.cumsum(noise, axis=1) / known) <= reach).all(axis=1)
    return held


def long_lived(many: int, seed: int) -> list[CanaryStep]:
    """How equal arms end, at 0.05, if entities stay: 400 of them, there on three days of five.

    They differ among each other as much as their days do, and half of them come late; the metric
    is a ratio, so an entity with more rows counts more.
    """
    metric = LiveOutcome(name="gain", higher_is_better=True, ratio=True, minimum_effect=0.3)
    declared = Rollout(canary=Canary(outcome=metric, futility=0.0, minimum_entities=100))
    return [_long_lived(np.random.default_rng([seed, one]), declared) for one in range(many)]


def _long_lived(rng: np.random.Generator, declared: Rollout) -> CanaryStep:
    n, days = 400, 28
    challenger, lasting = rng.random(n) < 0.5, rng.normal(size=n)
    entity, day = np.repeat(np.arange(n), days), np.tile(np.arange(days), n)
    came = rng.integers(0, 14, n) * (rng.random(n) < 0.5)
    there = (rng.random(n * days) < 0.6) & (day >= came[entity])
    entity, day = entity[there], day[there]
    value = lasting[entity] + rng.normal(size=len(entity))
    first = np.full(n, days)
    np.minimum.at(first, entity, day)
    step = CanaryStep.CONTINUE
    for at in (7, 14, 21, 28):
        unit, rows = np.flatnonzero(first < at), day < at
        many = int(rows.sum())
        known = canary_sums(
            EnrolledEntities(unit, challenger[unit], np.zeros(len(unit), int), first[unit]),
            {"gain": MetricRows(entity[rows], day[rows], value[rows], np.ones(many, bool),
                              np.ones(many))},
            outcome="gain",
            elapsed_days=float(at),
            weeks=4,
        )  # fmt: skip
        step = judge_canary(known, declared, 0.05).step
        if step.ends:
            break
    return step


def outcomes(
    many: int, seed: int, live: SimulatedCanary, level: float, **declared: Any
) -> list[CanaryStep]:
    """How canaries end in the whole of the real thing: gathered and judged until they end."""
    about = rollout(margin=None, **declared)
    ended = []
    for place in range(many):
        this = SimulatedCanary(**{**live.__dict__, "seed": seed + place})
        step = CanaryStep.CONTINUE
        for at in (7.0, 14.0, 21.0, 28.0):
            step = judge_canary(evidence(this, at), about, level).step
            if step.ends:
                break
        ended.append(step)
    return ended
