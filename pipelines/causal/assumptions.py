"""The assumptions of a comparison of arms, each with the check that the data allow."""

from __future__ import annotations

import numpy as np
from pydantic import Field
from scipy.stats import fisher_exact

from pipelines.causal.arms import Arms
from pipelines.core.arrays import Floats, Integers, Mask
from pipelines.core.counts import counted
from pipelines.core.records import Record
from pipelines.stats.cuped import with_unknown_flags
from pipelines.stats.hotelling import SummedMeans
from pipelines.stats.sample_ratio import sample_ratio

ALPHA = 0.01  # of each check
EQUAL = (0.5, 0.5)


class Assumption(Record):
    """Something that an estimate needs."""

    name: str
    holds: bool | None = Field(description="null: the data cannot show it")
    reason: str


def sample_ratio_check(challenger: Mask, stage: Integers) -> Assumption:
    """Check that the arms have the sizes that were planned, stage by stage.

    Arguments:
        challenger: whether the entity is in the challenger arm, shape (n,).
        stage: stage at which it entered its arm, shape (n,).
    """
    counts = [
        [int(((stage == one) & (challenger == arm)).sum()) for arm in (True, False)]
        for one in np.unique(stage)
    ]
    p_value = sample_ratio(counts, EQUAL).p_value
    one, other = (sum(column) for column in zip(*counts, strict=True))
    return Assumption(
        name="sample_ratio",
        holds=p_value > ALPHA,
        reason=f"{one:,} and {other:,} entities in challenger and control arm, planned equal; "
        f"p = {p_value:.2g}",
    )


def balance_check(arms: Arms) -> Assumption:
    """Check that covariates from before the comparison have the same mean in both arms.

    Arms are compared within stages. A covariate that does not vary within any arm, and is not the
    same in both, differs for certain.

    Source: ``stats.hotelling``.
    """
    columns = with_unknown_flags(arms.covariates)
    if not columns.shape[1]:
        return _balance(None, "no covariate from before the comparison is declared")
    gap, parts, counts = np.zeros(columns.shape[1]), list[Floats](), list[int]()
    for stage in np.unique(arms.stage):
        here = arms.stage == stage
        # Less a value of the column: the mean of a constant is then exact, and its variance zero.
        values, challenger = columns[here] - columns[here][0], arms.challenger[here]
        sides = [values[challenger == arm] for arm in (True, False)]
        if min(map(len, sides)) < 2:
            continue
        weight = len(sides[0]) * len(sides[1]) / here.sum()
        gap += weight * (sides[0].mean(axis=0) - sides[1].mean(axis=0))
        parts += [weight**2 * _covariance(side) / len(side) for side in sides]
        counts += map(len, sides)
    if not parts:
        return _balance(None, "no stage has two entities in each arm")
    scale = np.sqrt(sum(np.diag(part) for part in parts))
    used = scale > 0
    if np.any(gap[~used] != 0):
        return _balance(False, "a covariate has one value in one arm and another in the other")
    if not used.any():
        return _balance(None, "the covariates do not vary")
    inside, outer = np.ix_(used, used), np.outer(scale[used], scale[used])
    parts = [part[inside] / outer for part in parts]
    p_value = SummedMeans(gap[used] / scale[used], np.sum(parts, axis=0), parts, counts).p_value()
    if p_value is None:
        return _balance(None, f"{sum(counts)} entities are too few for {used.sum()} covariates")
    return _balance(
        p_value > ALPHA,
        f"{counted(int(used.sum()), 'covariate')} from before the comparison: the means "
        f"{'are not shown to differ' if p_value > ALPHA else 'differ'} between the arms; "
        f"p = {p_value:.2g}",
    )


def _balance(holds: bool | None, reason: str) -> Assumption:
    return Assumption(name="balance", holds=holds, reason=reason)


def _covariance(part: Floats) -> Floats:
    return np.atleast_2d(np.cov(part, rowvar=False))


def outcome_check(challenger: Mask, observed: Mask) -> Assumption:
    """Check that entities have an outcome equally often in both arms.

    Arguments:
        challenger: whether the entity is in the challenger arm, shape (n,).
        observed: whether it has an outcome, shape (n,).

    Source: Fisher (1935), The Design of Experiments, section 21 (exact test).
    """
    counts = np.array(
        [
            [int((observed == there)[challenger == arm].sum()) for there in (True, False)]
            for arm in (True, False)
        ]
    )
    p_value = float(fisher_exact(counts)[1])
    shares = counts[:, 0] / np.maximum(counts.sum(axis=1), 1)
    return Assumption(
        name="outcomes",
        holds=p_value > ALPHA,
        reason=f"{shares[0]:.1%} of the challenger's entities and {shares[1]:.1%} of the control's "
        f"have a matured outcome; p = {p_value:.2g}",
    )


def overlap_of_arms() -> Assumption:
    """State the overlap of two randomised arms of equal size."""
    return Assumption(
        name="overlap",
        holds=True,
        reason="each entity had a probability of one half to be in either arm, by the hash of its "
        "keys",
    )


def no_interference() -> Assumption:
    """State that entities must not influence each other, which no data of one rollout show."""
    return Assumption(
        name="no_interference",
        holds=None,
        reason="an entity's outcome must not depend on the arms of others, as with shared stock; "
        "randomise what is shared if it does",
    )
