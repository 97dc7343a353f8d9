"""The canary's sections of ``docs/proof.md``."""

from __future__ import annotations

import itertools
from collections.abc import Iterator

import numpy as np
from scipy.stats import norm

from pipelines.gates.canary.verdict import CanaryStep
from tests.montecarlo.canary.entities import (
    alarms,
    always_covered,
    covered,
    declared_too_short,
    long_lived,
    mismatches,
    outcomes,
    t_test_alarms,
)
from tests.montecarlo.canary.year import (
    EQUAL,
    OFFLINE_ERROR,
    OFFLINE_LEVEL,
    PROMOTE,
    Gate,
    World,
    gauntlet,
    none,
    once,
    peeked,
    recommended,
    years,
)
from tests.montecarlo.row import Promise, Row
from tests.support.canary_factory import SimulatedCanary

HOURLY, SOONER = "every hour for 28 days", "one arm's outcomes come sooner"
DIFFERING = (
    ("champions lose 0.15 a week", World(0.5, 0.15)),
    ("champions lose 0.05 a week", World(0.75, 0.05)),
    ("champions do not age", World(0.75)),
    ("0.15 a week, a tenth good offline and bad live", World(0.5, 0.15, liars=0.1)),
)


def canary_years(replications: int) -> Iterator[Row]:
    """A year of weekly candidates, one canary at a time, through the offline gate and the canary.

    The difference between candidates and champion is given in minimum effects. The standard error
    is 0.39 minimum effects offline and 0.241 in a canary of four weeks. Simulated as score paths,
    with the bounds of the product.
    """
    gates = (
        ("metric greater offline, no canary", Gate(0.5, none), None),
        ("t-test at 0.05 offline, no canary", Gate(0.05, none), None),
        ("canary with a t-test watched daily for 14 days", Gate(0.5, peeked()), None),
        ("canary with one t-test after 14 days", Gate(0.1, once()), None),
        ("Gauntlet", recommended(), 0.05),
        ("one t-test after 14 days, offline gate useless", Gate(None, once()), None),
        ("watched daily, offline gate useless", Gate(None, peeked()), None),
        ("Gauntlet, offline gate useless (worst case)", recommended(None), 0.05),
        ("Gauntlet, the same, 60 tries a year", recommended(None, 60), 0.05),
    )
    for what, gate, promised in gates:
        yield _year(what, "all equal", gate, EQUAL, replications, promised)
    for where, world in DIFFERING:
        gate = Gate(0.5, none)
        yield _year("metric greater offline, no canary", where, gate, world, replications, None)
        yield _year("Gauntlet", where, recommended(), world, replications, 0.05)


def _year(
    what: str, where: str, gate: Gate, world: World, many: int, promised: float | None
) -> Row:
    found = years(gate, world, many, np.random.default_rng(190))
    worthy = int(found.worthy.sum())
    reported = f" ({found.promotions.mean():.2f} promotions"
    reported += f", {found.found.sum() / worthy:.0%} of those that are better)" if worthy else ")"
    return Row(f"year with a false promotion, {what}", where, int((found.false > 0).sum()), many,
               None if promised is None else "at most", promised or 0.0, reported)  # fmt: skip


def canaries(replications: int) -> Iterator[Row]:
    """One canary: what it promotes, what it calls harm, and what its intervals contain.

    Entities are drawn one by one, except in rows that name score paths. Hourly checks are 672
    checks of skewed outcomes. The ramp has three stages.
    """
    many, few = replications, max(20, replications // 4)
    seeds = (np.random.default_rng([191, one]) for one in itertools.count())
    rng = next(seeds)
    offline = 1 + OFFLINE_ERROR * rng.normal(size=many) > norm.isf(OFFLINE_LEVEL) * OFFLINE_ERROR
    won = gauntlet()(np.ones(many), rng).step == PROMOTE
    yield Row("promoted by both gates", "the minimum effect, score paths",
              int((offline & won).sum()), many, "at least", 0.80)  # fmt: skip
    for where, ended in (
        ("ramp, covariate, looks", outcomes(few, 10_000, SimulatedCanary(), 0.05, futility=0.0)),
        ("entities that stay for weeks", long_lived(few // 2, 192)),
    ):
        for step, level in ((CanaryStep.PROMOTE, 0.05), (CanaryStep.ROLL_BACK, 0.01),
                            (CanaryStep.VOID, 0.01)):  # fmt: skip
            yield Row(f"equal arms at 0.05: {step.value}", where,
                      sum(one is step for one in ended), len(ended), "at most", level)  # fmt: skip
    hits = alarms(many, next(seeds)) > 0
    yield Row("false rollback, anytime-valid bound at 0.01", HOURLY, int(hits.sum()), many,
              "at most", 0.01)  # fmt: skip
    hits = t_test_alarms(many, next(seeds))
    yield Row("false rollback, t-test at 0.01", HOURLY, int(hits.sum()), many)
    for worse in (1.0, 2.0, 4.0):
        hours = alarms(few, next(seeds), worse=worse)
        median = np.median(np.where(hours > 0, hours, np.inf)) / 24
        yield Row("rolled back by the harm bound", f"worse by {worse:g} minimum effects",
                  int((hours > 0).sum()), few, more=f" (median day {median:.1f})")  # fmt: skip
    for per_day in (2_000, 20_000):
        hits = mismatches(many, next(seeds), per_day=per_day)
        yield Row("sample-ratio alarm at 0.01", f"a ramp to {per_day:,} entities a day",
                  int(hits.sum()), many, "at most", 0.01)  # fmt: skip
    hits = mismatches(many, next(seeds), lost=0.02)
    yield Row("sample-ratio alarm at 0.01", "the same, 2 % of the challenger's entities lost",
              int(hits.sum()), many)  # fmt: skip
    matured, naive = covered(many, next(seeds))
    yield Row("90 % interval contains the truth, matured weeks", SOONER, int(matured.sum()), many,
              "at least", 0.9)  # fmt: skip
    yield Row("the same, missing outcomes counted as failures", SOONER, int(naive.sum()), many)
    held = always_covered(many, next(seeds))
    yield Row("90 % anytime-valid interval contains the truth at all times", HOURLY,
              int(held.sum()), many, "at least", 0.9)  # fmt: skip


def late_outcomes(replications: int) -> Iterator[Row]:
    """A canary in which some outcomes arrive after their declared delay, at 0.05.

    400 entities a day, of which three in ten convert. Conversions are declared to be known after
    seven days and take an exponential time. Both rows use the same draws, without and with the
    check for late outcomes.
    """
    worlds = (
        ("nothing differs; 3 days with the challenger, 5 with the control", (3.0, 5.0), 0.0),
        ("nothing differs; 4 days in both arms", (4.0, 4.0), 0.0),
        ("nothing differs; 2 days in both arms", (2.0, 2.0), 0.0),
        ("0.03 better; 4 days in both arms", (4.0, 4.0), 0.03),
        ("0.03 better; 2 days in both arms", (2.0, 2.0), 0.03),
    )
    for seed, (where, delay, better) in enumerate(worlds, 210):
        untold, reported = declared_too_short(replications, seed, delay=delay, better=better)
        for what, ended in (
            ("promoted, without the check for late outcomes", untold),
            ("promoted", reported),
        ):
            promise: Promise | None = "at most" if ended is reported and not better else None
            hits = sum(step is CanaryStep.PROMOTE for step in ended)
            yield Row(what, where, hits, replications, promise, 0.05)
