"""The section of the proof about effects."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from tests.montecarlo.effects.simulation import declared, found, slopes, switched
from tests.montecarlo.row import MeanRow, Row
from tests.support.effects.simulated_arms import ArmsWorld

EQUAL = ArmsWorld()
RATIO = ArmsWorld(ratio=True)
BETTER = ArmsWorld(effect=0.3)
HARMED = ArmsWorld(effect=0.2, harmed=-0.45)
CLEAR = ArmsWorld(entities=4000, effect=0.2, harmed=-0.8)
SMALL = ArmsWorld(entities=320)
SMALL_MINIMUM = 20  # entities in each arm of a group
WORLDS = (
    ("no effect", EQUAL),
    ("no effect, a ratio", RATIO),
    ("the same effect on all", BETTER),
    ("one of four kinds harmed", HARMED),
)


def effects(replications: int) -> Iterator[Row | MeanRow]:
    """2,000 entities in two arms and two stages, four kinds and three numbers known of each.

    Effects are in standard deviations of the outcome; a covariate correlates by 0.7 with it. Found
    groups are those of the X-learner; clear harm has a quarter of the replications. Switches that
    were not random are of 300 entities over ten periods whose noise persists. No effect is claimed
    where there is none, at the level of 0.05.
    """
    for seed, (name, world) in enumerate(WORLDS, 900):
        result = declared(world, replications, seed)
        yield Row("95 % interval of the average", name, result.average_covered, replications,
                  "at least", 0.95)  # fmt: skip
        yield Row("95 % interval of a group", name, result.groups_covered, result.groups,
                  "at least", 0.95)  # fmt: skip
        yield Row("any false claim about four groups", name, result.false_claims, replications,
                  "at most", 0.05)  # fmt: skip
        differ = Row("effects by kind shown to differ", name, result.differ, replications)
        yield differ if world.harmed else replace(differ, promise="at most", rate=0.05)
        if world.harmed:
            where = f"{name}; it loses 3.8 of its standard errors"
            yield Row("the harmed group named", where, result.harmed_named, replications,
                      "at least", 0.87)  # fmt: skip
    small = declared(SMALL, replications, 910, minimum=SMALL_MINIMUM)
    where = "no effect, 320 entities"
    yield Row("95 % interval of a group", where, small.groups_covered, small.groups,
              "at least", 0.95)  # fmt: skip
    yield Row("any false claim about four groups", where, small.false_claims, replications,
              "at most", 0.05)  # fmt: skip
    yield Row("effects by kind shown to differ", where, small.differ, replications,
              "at most", 0.05)  # fmt: skip
    for seed, (name, world) in enumerate(
        (*WORLDS[::2], ("clear harm to one kind, 4,000", CLEAR)), 920
    ):
        many = max(20, replications // 4) if world.harmed else replications
        search = found(world, many, seed)
        yield Row("95 % interval of a found group", name, search.covered, search.groups,
                  "at least", 0.95)  # fmt: skip
        yield Row("any false claim about found groups", name, search.false_claims, many,
                  "at most", 0.05)  # fmt: skip
        differ = Row("effects shown to differ between entities", name, search.differ, many)
        rule = Row("a rule shown to be better than for all", name, search.rule_better, many)
        if not world.harmed:
            yield replace(differ, promise="at most", rate=0.05)
            yield replace(rule, promise="at most", rate=0.025)
        else:
            yield replace(differ, promise="at least", rate=0.9)
            yield replace(rule, promise="at least", rate=0.9)
            yield Row("the harmed kind found and named", name, search.harmed_named, many,
                      "at least", 0.9)  # fmt: skip
    values, held = slopes(ArmsWorld(effect=0.2, slope=0.5), replications, 930)
    yield MeanRow("slope of true effects as predictions", "effects with a spread of 0.5", values,
                  "equals", 1.0)  # fmt: skip
    yield Row("95 % interval of the slope", "effects with a spread of 0.5", held, replications,
              "at least", 0.95)  # fmt: skip
    for seed, (name, regions) in enumerate((("entities", None), ("13 of 40 regions", 40)), 940):
        results = switched(replications, seed, regions=regions)
        held = sum(one.interval.low <= 0 <= one.interval.high for one in results)
        yield Row("95 % interval of a switch", f"{name}, parallel trends", held, replications,
                  "at least", 0.93)  # fmt: skip
        alarms = sum(one.pre_trend_p <= 0.05 for one in results)
        yield Row("earlier trends called different", f"{name}, parallel trends", alarms,
                  replications, "at most", 0.05 if regions is None else 0.075)  # fmt: skip
    parted = switched(replications, 950, drift=0.15)
    yield Row("earlier trends called different", "entities, 0.15 apart each period",
              sum(one.pre_trend_p <= 0.05 for one in parted), replications)  # fmt: skip
    missed = sum(not one.interval.low <= 0 <= one.interval.high for one in parted)
    yield Row("an effect of a switch falsely shown", "entities, 0.15 apart each period", missed,
              replications)  # fmt: skip
    held = sum(one.trend_interval.low <= 0 <= one.trend_interval.high for one in parted)
    yield Row("wider interval for trends that part contains none",
              "entities, 0.15 apart each period", held, replications, "at least", 0.94)  # fmt: skip
