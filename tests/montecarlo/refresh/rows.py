"""The refreshes' sections of ``docs/proof.md``."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace

import numpy as np

from pipelines.core.arrays import Floats
from pipelines.spec.training import RefreshEvidence, RefreshGate
from pipelines.stats.ageing import betting_evidence, pooled_mean
from tests.montecarlo.canary.refreshes import HARM, harm_in_a_week
from tests.montecarlo.refresh.both_gates import BothLanes, both_year
from tests.montecarlo.refresh.worlds import (
    AGEING,
    EQUAL,
    NULLS,
    WANDERING,
    WEEKS,
    AgeingWorld,
    losses,
)
from tests.montecarlo.refresh.year import (
    Decide,
    Lane,
    Loss,
    RefreshYear,
    always,
    follow,
    full_record,
    usual,
)
from tests.montecarlo.row import MeanRow, Row

GATE = RefreshGate()
SEED = 230
WORLDS = (*NULLS, *WANDERING, *AGEING)
Rule = Callable[[Loss], Decide]


def slopes(world: AgeingWorld, rng: np.random.Generator) -> tuple[Floats, Floats]:
    """The weekly slopes of one year and their weights, as the product records them."""
    return full_record(Loss(world, losses(world, rng))).slopes(GATE.span)


def refresh_claims(replications: int) -> Iterator[Row | MeanRow]:
    """Years in which "refreshing this recipe pays" is claimed though age costs nothing.

    The claim needs evidence of 20 to 1. Its promise needs a slope whose mean is not above zero
    given the weeks before; that holds where the luck of fits is independent. Where luck wanders
    over neighbouring fits it does not hold, nothing is promised, and the claim is made in a quarter
    to a third of the years: newer fits then do happen to be better for many weeks.
    """
    for seed, (where, world) in enumerate((*NULLS, *WANDERING)):
        rng = np.random.default_rng([SEED, seed])
        wealth = np.array([betting_evidence(slopes(world, rng)[0]) for _ in range(replications)])
        claimed = int((wealth.max(axis=1) >= 1 / GATE.alpha).sum())
        wanders = world.neighbours > 0
        yield Row('"refreshing pays" claimed', where, claimed, replications,
                  None if wanders else "at most", GATE.alpha)  # fmt: skip
        for week in () if wanders else (26, WEEKS):
            martingale = world == EQUAL
            yield MeanRow(f"mean evidence after {week} weeks", where, wealth[:, week - 2],
                          "at most" if martingale else None, 1.0)  # fmt: skip


def cost_of_age_rows(replications: int) -> Iterator[Row | MeanRow]:
    """The cost of a week of age after a year, against the cost that was planted."""
    for age in (0.0, 0.1, 0.25):
        for where, world in (
            ("no luck, no noise", AgeingWorld(luck=0.0, noise=0.0, age=age)),
            ("equal but for age", replace(EQUAL, age=age)),
            ("luck 1", AgeingWorld(age=age)),
        ):
            rng = np.random.default_rng([SEED, 50, int(100 * age)])
            exact = not world.noise
            many = 20 if exact else replications
            found = [pooled_mean(*slopes(world, rng)) for _ in range(many)]
            name = f"{where}, a week costs {age:g}"
            if exact:
                right = sum(abs(one.estimate - age) < 1e-9 for one in found)
                yield Row("estimate equals the cost", name, right, many, "at least", 1.0)
                continue
            yield MeanRow("mean estimate", name, np.array([one.estimate for one in found]),
                          "equals", age)  # fmt: skip
            ends = [one.interval(0.9) for one in found]
            held = sum((end.low or 0) <= age <= (end.high or 0) for end in ends)
            yield Row("90 % interval contains the cost", name, held, many)


def refresh_years(replications: int) -> Iterator[Row | MeanRow]:
    """A year of 54 weekly candidates of one recipe, by preset and by two simple policies.

    Losses are in minimum effects. A refresh is worse when the version that it replaced did better
    in the four weeks that followed, and bad when it did so by more than one minimum effect. The
    loss is that of what served, minus that of the first version. The stop-loss promises that a
    version is restored before more is lost against it than the limit, the newest week and the
    weeks whose labels were missing. After the second stop of a year nothing moves until a person
    answers, and the promise ends.
    """
    rules: tuple[tuple[str, Rule | RefreshEvidence], ...] = (
        ("always", lambda _: always),
        ("usual: metric is better", usual),
        *((one.value, one) for one in RefreshEvidence),
    )
    for seed, (where, world) in enumerate(WORLDS):
        years: dict[str, list[RefreshYear]] = {name: [] for name, _ in rules}
        rng = np.random.default_rng([SEED, 100, seed])
        for _ in range(replications):
            loss = Loss(world, losses(world, rng))
            record = full_record(loss)
            for name, rule in rules:
                decide = (
                    Lane(GATE.model_copy(update={"evidence": rule}), loss, record)
                    if isinstance(rule, RefreshEvidence)
                    else rule(loss)
                )
                years[name].append(follow(loss, decide))
        for name, _ in rules:
            yield _year(name, where, years[name])
        lanes = [year for one in RefreshEvidence for year in years[one.value]]
        beyond = sum(year.most_known > GATE.stop for year in lanes)
        yield Row("more lost against a replaced version than the stop-loss allows", where, beyond,
                  len(lanes), "at most", 0.0, _stopped(lanes))  # fmt: skip


BOTH = (
    ("all equal", BothLanes(EQUAL)),
    ("luck 1", BothLanes(AgeingWorld())),
    ("luck 1, a week of age costs 0.25", BothLanes(AgeingWorld(age=0.25))),
    ("the same, recipes differ by 0.75", BothLanes(AgeingWorld(age=0.25), spread=0.75)),
    (
        "luck 1, age 0.25, fits from week 20 are worse by 8",
        BothLanes(AgeingWorld(age=0.25, worse_from=20, worse_by=8.0)),
    ),
    ("predictions act, all equal", BothLanes(EQUAL, acts=True)),
    ("predictions act, luck 1, age 0.25", BothLanes(AgeingWorld(age=0.25), acts=True)),
    ("predictions act, luck 0, age 0.25", BothLanes(replace(EQUAL, age=0.25), acts=True)),
)


def refresh_canaries(replications: int) -> Iterator[Row | MeanRow]:
    """A year of refreshes and changed recipes through the offline gate and the canary.

    Preset `likely`. A changed recipe, every four weeks, has a week of shadow and has to win its
    canary at 0.05 / 12. A refresh has a day of shadow and a week of canary with harm bounds. Where
    predictions act, it has a week of shadow and its declared canary, until the canaries of its
    recipe prove that refreshing pays. One challenger is on trial at a time. After a promotion, but
    not that of a refresh whose predictions do not act, four weeks of holdback follow without one.
    """
    for seed, (where, world) in enumerate(BOTH):
        rng = np.random.default_rng([SEED, 200, seed])
        years = [both_year(world, rng) for _ in range(replications)]
        changes, refreshes, harmed, loss = (
            float(np.mean(counts))
            for counts in zip(
                *((one.changes, one.refreshes, one.harmed, one.loss) for one in years), strict=True
            )
        )
        more = (
            f" ({changes:.2f} changes, {refreshes:.1f} refreshes, {harmed:.2f} rolled back; loss "
            f"{loss:+.2f})"
        )
        if world.acts:
            tried, short = (float(np.mean([getattr(one, name) for one in years]))
                            for name in ("tried", "short"))  # fmt: skip
            more += f" ({tried:.1f} canaries of refreshes, {short:.1f} of them short)"
        false = sum(one.false > 0 for one in years)
        yield Row("year with a change that is no better", where, false, replications, "at most",
                  0.05, more)  # fmt: skip
        beyond = sum(one.most_known > GATE.stop for one in years)
        stops = f" ({np.mean([one.stops for one in years]):.2f} stops a year)"
        yield Row("more lost by refreshes than the stop-loss allows", where, beyond, replications,
                  "at most", 0.0, stops)  # fmt: skip
    for gain in (0.0, -1.0, -2.0, -4.0):
        rng = np.random.default_rng([SEED, 300, int(-gain)])
        many = 10 * replications
        hits = sum(harm_in_a_week(gain, rng) for _ in range(many))
        yield Row("refresh rolled back in its week", f"worse by {abs(gain):g}", hits, many,
                  None if gain else "at most", HARM)  # fmt: skip


def _year(name: str, where: str, years: list[RefreshYear]) -> Row:
    refreshes, worse, bad = (
        float(np.mean(counts))
        for counts in (
            [len(year.followed) for year in years],
            [year.worse for year in years],
            [year.bad for year in years],
        )
    )
    loss = np.array([year.loss for year in years])
    more = (
        f" ({refreshes:.1f} refreshes, {worse:.1f} worse, {bad:.1f} bad; loss "
        f"{loss.mean():+.2f}, 95 % below {np.quantile(loss, 0.95):+.2f})"
    )
    some = sum(len(year.followed) > 0 for year in years)
    return Row(f"year with a refresh, {name}", where, some, len(years), more=more)


def _stopped(years: list[RefreshYear]) -> str:
    stops = np.mean([year.stops for year in years])
    most = max(year.most_lost for year in years)
    return f" ({stops:.2f} stops a year, at most {most:.0f} lost with the weeks not yet known)"
