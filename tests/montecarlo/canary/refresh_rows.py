"""The section of ``docs/proof.md`` about canaries of refreshes whose predictions act."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from pipelines.stats.sequential.anytime import log_evidence, mixing
from tests.montecarlo.canary.refreshes import (
    ALPHA,
    LEVEL,
    NOTHING_POOLED,
    AgeingYears,
    Refreshes,
    ageing_years,
    proved_after,
    refresh_canary,
)
from tests.montecarlo.canary.year import PROMOTE, REFRESH_MARGIN, judged, paths, rule
from tests.montecarlo.row import MeanRow, Row

SEED = 240
CANARIES, YEARS = 40, 3
NULLS = (
    ("all equal", Refreshes()),
    ("luck 0.5", Refreshes(luck=0.5)),
    ("luck 1", Refreshes(luck=1.0)),
    ("luck 2, t3 tails", Refreshes(luck=2.0, tails=3)),
    ("luck 1, each worse by 0.1", Refreshes(gain=-0.1, luck=1.0)),
)
NOT_PROMISED = (
    ("luck 1, neighbours correlated at 0.9", Refreshes(luck=1.0, wanders=0.9)),
    ("0.5 in 19 of 20 cases, else -9.5", Refreshes(gain=0.5, rare=-10.0)),
)
TRY = 0.05 / 12


def pooled_refreshes(replications: int) -> Iterator[Row | MeanRow]:
    """40 canaries of refreshes of one recipe, and whether later ones are shortened.

    Gains and luck are in minimum effects; luck is the standard deviation of single refreshes around
    their average. Shortening needs an evidence of 20 to 1 that refreshes gain something on average,
    each counted as at most one margin. Where the luck of neighbouring refreshes wanders, some
    stretches do gain, and nothing is promised; nor where rare losses are large, since each counts
    as one margin. "By the sum of scores" is the evidence of one canary, the normal mixture,
    continued over all of them: it takes luck for a gain.
    """
    for seed, (where, world) in enumerate((*NULLS, *NOT_PROMISED)):
        rng = np.random.default_rng([SEED, seed])
        proved = sum(proved_after(world, CANARIES, rng) is not None for _ in range(replications))
        yield Row("shortened though refreshing gains nothing", where, proved, replications,
                  "at most" if seed < len(NULLS) else None, ALPHA)  # fmt: skip
        if world in (Refreshes(), Refreshes(luck=1.0)):
            found = sum(_scores_prove(world, rng) for _ in range(replications))
            yield Row("the same, by the sum of scores", where, found, replications)
    for seed, (gain, luck) in enumerate(
        ((0.25, 0.0), (0.5, 0.0), (1.0, 0.0), (0.25, 0.5), (0.5, 0.5), (1.0, 0.5), (1.0, 1.0))
    ):
        rng = np.random.default_rng([SEED, 100, seed])
        counts = [proved_after(Refreshes(gain, luck), CANARIES, rng) for _ in range(replications)]
        median = float(np.median([count or np.inf for count in counts]))
        more = f" (after {median:.0f}, median)" if np.isfinite(median) else ""
        within = sum(count is not None and count <= 13 for count in counts)
        yield Row("proved within 13 canaries", f"each gains {gain:g}, luck {luck:g}", within,
                  replications, more=more)  # fmt: skip
    for level, how in ((LEVEL, ""), (TRY, ", at the level of a try")):
        for gain in (1.0, 0.5, 0.25, 0.0, -REFRESH_MARGIN):
            rng = np.random.default_rng([SEED, 200, int(100 * gain) % 1000])
            ended = judged(paths(np.full(replications, gain), rng), rule(level, refresh=True))
            weeks = f" ({np.mean(ended.weeks):.1f} weeks)"
            hits, worse = int(np.sum(ended.step == PROMOTE)), gain == -REFRESH_MARGIN
            where = "worse by the margin" if worse else f"gains {gain:g}"
            yield Row(f"refresh promoted by its declared canary{how}", where, hits, replications,
                      "at most" if worse else None, level if worse else 0.0, weeks)  # fmt: skip


def shortened_years(replications: int) -> Iterator[MeanRow]:
    """Three years of refreshes of one recipe, with and without shortening.

    A refresh begins when the champion's age costs half a minimum effect; it has a week of shadow,
    its canary, and after a promotion four weeks of holdback, in which no other begins. *Behind* is
    the mean loss against a fit of the newest week, in minimum effects. Luck is that of single fits.
    Outcomes come from events, so that the bet of a short canary can lose but not win.
    """
    for seed, (age, luck) in enumerate(((0.1, 0.0), (0.1, 0.5), (0.25, 0.0), (0.25, 0.5))):
        for shorten in (False, True):
            rng = np.random.default_rng([SEED, 300, seed])
            found = [ageing_years(age, luck, YEARS, rng, shorten=shorten)
                     for _ in range(replications)]  # fmt: skip
            for year in range(YEARS):
                yield from _year_rows(found, year, f"a week costs {age:g}, luck {luck:g}", shorten)


def _year_rows(found: list[AgeingYears], year: int, where: str, shorten: bool) -> Iterator[MeanRow]:
    name = f"year {year + 1}, {'pooled' if shorten else 'each canary alone'}"
    days, refreshes, short, behind = (
        np.array([values[year] for values in column])
        for column in zip(
            *((one.canary_days, one.refreshes, one.short, one.behind) for one in found),
            strict=True,
        )
    )
    place = f"{where}; {name}"
    yield MeanRow(f"days of canary for {np.mean(refreshes):.1f} refreshes", place, days)
    yield MeanRow(f"behind, with {np.mean(short):.1f} short canaries", place, behind)


def _scores_prove(world: Refreshes, rng: np.random.Generator) -> bool:
    """Whether the normal mixture over all scores would claim that refreshing gains something."""
    ended = [refresh_canary(float(gain), NOTHING_POOLED, rng) for gain in world.draw(CANARIES, rng)]
    score = np.cumsum([one.score for one in ended])
    information = np.cumsum([one.information for one in ended])
    evidence = log_evidence(score, information, mixing(information[3], ALPHA))
    return bool((evidence >= np.log(1 / ALPHA)).any())
