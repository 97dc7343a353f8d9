"""A year of weekly tries with candidates that are no better than the champion.

Every model has its own noise on the same rows of the same year: on rows, lasting on entities,
passing on days. Windows of four weeks move by one, so that neighbours share three quarters of
their rows and all share the champion. A promoted candidate is the champion from then on.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np

from pipelines.core.findings import Finding, Gate, Verdict
from pipelines.gates.recent_window.findings import primary
from pipelines.gates.recent_window.record import Comparison
from pipelines.release.budget import budget_findings
from pipelines.release.ledger import Entry, NewEntry
from pipelines.release.policy import Facts, decide
from pipelines.spec.load import load_model
from pipelines.spec.model import ModelSpec
from pipelines.stats.paired import PairedDifference, paired_difference
from tests.montecarlo.worlds import World, days_of, rows_of

ROOT = Path(__file__).parents[2]
WEEKS, WINDOW, WEEK = 52, 28, 7
FIRST = datetime(2027, 1, 4, 6, tzinfo=UTC)  # a Monday; the last of 52 is 27 December
PASSED = tuple(
    Finding(gate=gate, name=name, verdict=Verdict.PASS, reason="the other gates pass")
    for gate, name in (
        (Gate.CONTRACT, "contract.suite.rows"),
        (Gate.CONTRACT, "contract.envelope.rows"),
        (Gate.AVAILABILITY, "availability.leak_probe"),
    )
)
Decide = Callable[[PairedDifference], bool]


def spec(**budget: object) -> ModelSpec:
    """The example's declaration with another budget, and no rollout: offline alone promotes."""
    declared = load_model(ROOT / "models" / "demand.yaml").as_json() | {"rollout": None}
    declared["gates"]["budget"] |= budget
    return ModelSpec.model_validate(declared)


def usual(difference: PairedDifference) -> bool:
    """The gate that most have: the candidate's metric is above the champion's."""
    return difference.estimate > 0


def one_test(difference: PairedDifference) -> bool:
    """A sound test at 5 %, every week anew."""
    return difference.p_value <= 0.05


class Gauntlet:
    """The real gate with a ledger of its own: finding, budget, policy, entry."""

    def __init__(self, declared: ModelSpec) -> None:
        self.declared = declared
        self.entries: list[Entry] = []

    def __call__(self, difference: PairedDifference) -> bool:
        """Judge the next Monday's candidate."""
        at = FIRST + timedelta(weeks=len(self.entries))
        found = (*PASSED, primary(self.declared, comparison(difference), "champion"))
        run = f"week-{len(self.entries)}"
        budget = self.declared.gates.budget
        found += budget_findings(self.entries, budget, at.year, run, found)
        champion = self.entries[-1].champion_after if self.entries else "0"
        facts = Facts(run=run, candidate=run, champion=champion, champion_at_decision=champion)
        decision = decide(found, facts)
        draft = NewEntry(
            model="demand",
            kind="promotion" if decision.outcome.moves else "decision",
            run=run,
            as_of=at,
            champion_before=champion,
            champion_after=run if decision.outcome.moves else champion,
            reasons=decision.reasons,
            decision=decision,
            facts=facts,
            findings=found,
        )
        self.entries.append(Entry.append_to(draft, self.entries[-1] if self.entries else None, at))
        return decision.outcome.moves


def promotions(
    world: World, rng: np.random.Generator, decide: Decide, *, strict: bool = False
) -> int:
    """How many of a year's 52 candidates, none of them better, become champion."""
    days = WINDOW + WEEK * (WEEKS - 1)
    share = days / world.days
    year = World(
        world.entity_sd,
        world.day_sd,
        world.phi,
        days,
        world.entities,
        world.rows_per_entity * share,
    )
    entity, day = rows_of(year, rng)
    order = np.argsort(day, kind="stable")
    entity, day = entity[order], day[order]
    champion, count = _model(year, rng, entity, day), 0
    for week in range(WEEKS):
        candidate = _model(year, rng, entity, day)
        start = WEEK * week
        rows = slice(*np.searchsorted(day, [start, start + WINDOW]))
        difference = paired_difference(
            candidate[rows], champion[rows], entity[rows], day[rows], strict=strict
        )
        if decide(difference):
            champion, count = candidate, count + 1
    return count


def years(
    world: World,
    replications: int,
    seed: int,
    gate: Callable[[], Decide],
    *,
    strict: bool = False,
) -> np.ndarray:
    """False promotions in each of so many years."""
    rng = np.random.default_rng(seed)
    counts = [promotions(world, rng, gate(), strict=strict) for _ in range(replications)]
    return np.array(counts)


def _model(
    world: World, rng: np.random.Generator, entity: np.ndarray, day: np.ndarray
) -> np.ndarray:
    """One model's utilities; a difference of two has the world's variances."""
    lasting = rng.normal(size=world.entities) * world.entity_sd
    whole = rng.normal(size=len(entity)) + lasting[entity] + days_of(world, rng, world.days)[day]
    return whole / np.sqrt(2)


def comparison(difference: PairedDifference) -> Comparison:
    """The difference as an evaluation would carry it."""
    return Comparison(
        metric="absolute_error",
        higher_is_better=False,
        candidate=10 - difference.estimate,
        baseline=10.0,
        difference=difference,
    )
