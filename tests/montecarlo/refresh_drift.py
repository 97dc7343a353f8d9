"""What a year of refreshes does to quality, when each may be a little worse than the last.

A cheap level: estimates are drawn from a normal law around the true difference, with a known
standard error, and given to the real findings. The world: 52 candidates whose quality is that of
the champion plus -0.1 on average, standard deviation 0.2; standard error 0.2; worse matters from 1.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from pipelines.core.findings import Verdict
from pipelines.gates.recent_window.findings import primary, reference, refresh
from pipelines.gates.recent_window.record import Comparison
from pipelines.spec.model import ModelSpec
from pipelines.stats.paired import PairedDifference
from tests.montecarlo.year import spec

WEEKS, DRIFT, SPREAD = 52, -0.1, 0.2
GATES = (
    "usual: metric is better",
    "not worse than the champion",
    "not worse than champion and anchor",
    "refresh lane, no anchor",
    "refresh lane and anchor",
    "superiority",
)


@dataclass(frozen=True)
class Creep:
    promotions: float
    quality: float
    worse: np.ndarray  # whether each year ended worse than it began by more than the margin


def declared(level: float, margin: float, effect: float) -> ModelSpec:
    """The example's declaration with one try of the given level and the given margin."""
    whole = spec(alpha_year=level, tries=1, margin=margin).as_json()
    whole["metric"]["minimum_effect"] = effect
    return ModelSpec.model_validate(whole)


def creep(gate: str, model: ModelSpec, error: float, replications: int, seed: int) -> Creep:
    """So many years under a gate; quality starts at 0, where the anchor stays until superiority."""
    rng = np.random.default_rng(seed)
    margin = model.gates.budget.margin * model.metric.minimum_effect
    counts, ends = [], []
    for _ in range(replications):
        champion = frozen = 0.0
        count = 0
        for _ in range(WEEKS):
            candidate = champion + rng.normal(DRIFT, SPREAD)
            first, second = rng.normal(size=2) * error
            moves, proved = _judged(
                gate, model, error, candidate - champion + first, candidate - frozen + second
            )
            if moves:
                champion, count = candidate, count + 1
                frozen = candidate if proved else frozen
        counts.append(count)
        ends.append(champion)
    return Creep(float(np.mean(counts)), float(np.mean(ends)), np.array(ends) < -margin)


def _judged(
    gate: str, model: ModelSpec, error: float, gain: float, challenger: float
) -> tuple[bool, bool]:
    """Whether the candidate is promoted, and whether it was shown to be better."""
    against, frozen = _comparison(gain, error), _comparison(challenger, error)
    if gate == GATES[0]:
        return gain > 0, False
    if gate == GATES[1]:
        return _passes(reference(model, against, "0")), False
    if gate == GATES[2]:
        both = _passes(reference(model, against, "0")) and _passes(reference(model, frozen, "0"))
        return both, False
    better = _passes(primary(model, against, "champion"))
    if better or gate == GATES[5]:
        return better, better
    as_good = _passes(refresh(model, against))
    return as_good and (gate == GATES[3] or _passes(reference(model, frozen, "0"))), False


def _passes(finding: object) -> bool:
    return getattr(finding, "verdict", None) is Verdict.PASS


def _comparison(estimate: float, error: float) -> Comparison:
    difference = PairedDifference(
        estimate=estimate,
        standard_error=error,
        df=1000.0,
        variance_time=error**2,
        variance_entity=0.0,
        variance_cell=0.0,
        rows=20_000,
        days=28,
        entities=2000,
        largest_entity_share=0.01,
        strict=False,
    )
    return Comparison(
        metric="absolute_error",
        higher_is_better=False,
        candidate=100 - estimate,
        baseline=100.0,
        difference=difference,
    )
