"""Sample ratio test: whether arms have their planned sizes; valid at any time.

If the split is wrong, units were selected, and differences between arms have no meaning. When
shares change between stages, each stage is compared with its own shares: the evidence of stages
is multiplied, and pooled counts are never used.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from pydantic import Field
from scipy.special import gammaln, logsumexp

from pipelines.core.arrays import Floats
from pipelines.core.errors import DataError
from pipelines.core.records import Record

CONCENTRATIONS = (100.0, 1_000.0, 10_000.0)


class SampleRatio(Record):
    """Evidence against the planned split."""

    log_evidence: float = Field(description="logarithm of the Bayes factor, over all stages")
    stages: tuple[float, ...] = Field(description="the same for each stage alone")
    counted: int

    @property
    def p_value(self) -> float:
        """Upper bound of the chance of ever reaching this evidence if the split is as planned."""
        return min(1.0, math.exp(-self.log_evidence))


def log_bayes_factor(counts: Floats, shares: Floats, concentration: float) -> Floats:
    """Logarithm of the Dirichlet-multinomial Bayes factor against the planned shares.

    Arguments:
        counts: units in each arm, shape (..., arms).
        shares: planned shares, each above 0, sum one along the last axis, shape (..., arms).
        concentration: expected closeness of a wrong split to the plan, in units.

    Returns:
        Shape (...); a martingale with mean one, as units arrive, if the plan holds.

    Source: Lindon, Malek (2022), NeurIPS 35, section 3 (arXiv 2011.03567).
    """
    prior = concentration * shares
    whole = gammaln(concentration) - gammaln(concentration + counts.sum(-1))
    parts = gammaln(prior + counts) - gammaln(prior) - counts * np.log(shares)
    return np.asarray(whole + parts.sum(-1), np.float64)


def sample_ratio(
    counts: npt.ArrayLike,
    shares: npt.ArrayLike,
    concentrations: Sequence[float] = CONCENTRATIONS,
) -> SampleRatio:
    """Evidence against the planned split, stage by stage and over all of them.

    The product over stages is a martingale, because each stage's counts start at 0, and so is the
    mean over concentrations. No single concentration detects both a tenth of a thousand missing
    units and a hundredth of a million.

    Arguments:
        counts: units so far in each stage and arm, shape (stages, arms).
        shares: planned shares of the arms in each stage, shape (stages, arms) or (arms,).
        concentrations: see ``log_bayes_factor``; their Bayes factors are averaged.

    Raises:
        DataError: counts are negative, or shares are not shares.
    """
    counted = np.atleast_2d(np.asarray(counts, np.float64))
    planned = np.broadcast_to(np.asarray(shares, np.float64), counted.shape)
    if (counted < 0).any() or (planned <= 0).any() or not np.allclose(planned.sum(-1), 1):
        raise DataError(
            "a split that cannot be checked",
            got=f"counts {counted.tolist()}, shares {planned.tolist()}",
            wanted="counts from 0 up, and shares above 0 that add up to 1 in each stage",
        )
    stages = np.array([log_bayes_factor(counted, planned, one) for one in concentrations])
    return SampleRatio(
        log_evidence=_log_mean(stages.sum(axis=1)),
        stages=tuple(_log_mean(stage) for stage in stages.T),
        counted=int(counted.sum()),
    )


def _log_mean(logs: Floats) -> float:
    return float(logsumexp(logs) - math.log(len(logs)))
