"""The canary's sections of ``docs/proof.md``."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from scipy.stats import norm

from pipelines.release.canary import CanaryStep
from tests.canaries import Live
from tests.montecarlo.canary_entities import (
    alarms,
    covered,
    mismatches,
    outcomes,
    t_test_alarms,
)
from tests.montecarlo.canary_year import (
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
from tests.montecarlo.row import Row

DIFFERING = (
    ("champions lose 0.15 a week", World(0.5, 0.15)),
    ("champions lose 0.05 a week", World(0.75, 0.05)),
    ("champions do not age", World(0.75)),
    ("0.15 a week, a tenth good offline and bad live", World(0.5, 0.15, liars=0.1)),
)


def canary_years(replications: int) -> Iterator[Row]:
    """A year of weekly candidates, one canary at a time, through the offline gate and the canary.

    Candidates and their champion differ by what is said, in minimum effects; offline errors are
    0.39 and those of four weeks of canary 0.241 of it. Score paths, with the product's own bounds.
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
    told = f" ({found.promotions.mean():.2f} promotions"
    told += f", {found.found.sum() / worthy:.0%} of the worthy)" if worthy else ")"
    return Row(f"year with a false promotion, {what}", where, int((found.false > 0).sum()), many,
               None if promised is None else "at most", promised or 0.0, told)  # fmt: skip


def canaries(replications: int) -> Iterator[Row]:
    """One canary: what it finds, what it calls harm, and what its intervals hold.

    Entities are drawn one by one except where score paths are named. Hourly checks are 672 checks
    of skewed outcomes; the ramp has three stages.
    """
    many, rng = replications, np.random.default_rng(191)
    offline = 1 + OFFLINE_ERROR * rng.normal(size=many) > norm.isf(OFFLINE_LEVEL) * OFFLINE_ERROR
    won = gauntlet()(np.ones(many), rng).step == PROMOTE
    both = int((offline & won).sum())
    yield Row("promoted by both gates", "the minimum effect, score paths", both, many,
              "at least", 0.80)  # fmt: skip
    few = max(20, many // 4)
    ended = outcomes(few, 10_000, Live(), 0.05, futility=0.0)
    for step, level in ((CanaryStep.PROMOTE, 0.05), (CanaryStep.ROLL_BACK, 0.01),
                        (CanaryStep.VOID, 0.01)):  # fmt: skip
        yield Row(f"equal arms: {step.value}", "the whole of it, weekly, at 0.05",
                  sum(one is step for one in ended), few, "at most", level)  # fmt: skip
    for what, hits in (
        ("false rollback, anytime-valid bound at 0.01", alarms(many, rng) > 0),
        ("false rollback, t-test at 0.01", t_test_alarms(many, rng)),
    ):
        ours = what.startswith("false rollback, any")
        yield Row(what, "checked every hour for 28 days", int(hits.sum()), many,
                  "at most" if ours else None, 0.01)  # fmt: skip
    for worse in (1.0, 2.0, 4.0):
        hours = alarms(few, rng, worse=worse)
        median = np.median(np.where(hours > 0, hours, np.inf)) / 24
        yield Row("rolled back by the harm bound", f"worse by {worse:g} minimum effects",
                  int((hours > 0).sum()), few, more=f" (median day {median:.1f})")  # fmt: skip
    for per_day in (2_000, 20_000):
        hits = mismatches(many, rng, per_day=per_day)
        yield Row("sample-ratio alarm at 0.01", f"a ramp to {per_day:,} entities a day",
                  int(hits.sum()), many, "at most", 0.01)  # fmt: skip
    hits = mismatches(many, rng, lost=0.02)
    yield Row("sample-ratio alarm at 0.01", "the same, 2 % of the challenger's lost",
              int(hits.sum()), many)  # fmt: skip
    matured, naive = covered(few, rng)
    yield Row("90 % interval holds the truth, matured weeks", "one arm's outcomes come sooner",
              int(matured.sum()), few, "at least", 0.9)  # fmt: skip
    yield Row('the same, "not yet" read as "no"', "one arm's outcomes come sooner",
              int(naive.sum()), few)  # fmt: skip
