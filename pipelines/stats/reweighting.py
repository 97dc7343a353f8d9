"""Reweights one population to resemble another, and decomposes a change between the two.

``chance`` is always the probability that a row with such features belongs to the second population
and not to the first, from a classifier that was not fitted on the row.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from pydantic import Field

from pipelines.core.arrays import Floats
from pipelines.core.errors import DataError
from pipelines.core.records import Record
from pipelines.stats.undefined import TooFewRows


@dataclass(frozen=True)
class Weights:
    """Weights of the first population's rows; ``values`` add up to 1, shape (n,)."""

    values: Floats
    effective_share: float  # Kish's effective sample size over the number of rows, 0 to 1
    clipped_share: float  # share of rows with a clipped weight, 0 to 1


class ThreeTerms(Record):
    """Mean utility on the second population minus that on the first; the parts add up to it."""

    total: float
    to_shared: float = Field(description="other features: from the first to what both have")
    outcome: float = Field(description="same features, other outcome given them")
    from_shared: float = Field(description="other features: from what both have to the second")
    shared_share: float = Field(
        description="effective share, 0 to 1, of the rows that stand for what both have; "
        "the smaller of both populations'"
    )


def importance_weights(chance: Floats, others: int, clip: float) -> Weights:
    """Weights under which the first population's rows count as if drawn from the second.

    ``w = chance / (1 - chance) * n / others``, clipped at a quantile, then divided by their sum.

    Arguments:
        chance: chance of each row of the first population, shape (n,).
        others: number of rows of the second population in the classifier's training data.
        clip: quantile at which weights are clipped, for instance 0.995.

    Raises:
        TooFewRows: when there is no row, or every weight is 0 because no row of the first
            population resembles the second.

    Source: Shimodaira (2000), JSPI 90, equation 2.1, through a classifier as in Bickel, Brückner,
    Scheffer (2009), JMLR 10, equation 12; clipping as in Ionides (2008), JCGS 17; effective size
    as in Kish (1965), section 11.7.
    """
    chance = _chances(chance)
    ratio = chance / np.maximum(1 - chance, 1e-12) * len(chance) / others
    top = float(np.quantile(ratio, clip))
    cut = np.minimum(ratio, top)
    if not cut.sum():
        raise TooFewRows(
            "no row of one population looks like one of the other",
            got=f"a weight of 0 on all {len(chance)} rows",
            wanted="populations that overlap",
        )
    values = cut / cut.sum()
    return Weights(values, _effective(values), float(np.mean(ratio > top)))


def outside_support(first: Floats, second: Floats) -> float:
    """Share of the second population's rows that resemble no row of the first, 0 to 1.

    These are the rows with a chance above the maximum of the first population.
    """
    return float(np.mean(_chances(second) > float(_chances(first).max())))


def three_terms(first: Floats, second: Floats, chance: tuple[Floats, Floats]) -> ThreeTerms:
    """Decomposes a model's change of mean utility between two populations via their shared part.

    Arguments:
        first: utility of each row of the first population, shape (n,).
        second: the same for the second, shape (m,).
        chance: chances of the rows of the first and of the second population.

    Raises:
        TooFewRows: when the populations share nothing.

    Source: Cai, Namkoong, Yadlowsky (2023), arXiv 2303.02011, equations 4 and 7 (DISDE).
    """
    of_first, of_second = (_chances(part) for part in chance)
    share = len(second) / (len(first) + len(second))
    shared_first = _shared((1 - share) * of_first, of_first, share)
    shared_second = _shared(share * (1 - of_second), of_second, share)
    before, after = float(first.mean()), float(second.mean())
    old, new = float(shared_first @ first), float(shared_second @ second)
    return ThreeTerms(
        total=after - before,
        to_shared=old - before,
        outcome=new - old,
        from_shared=after - new,
        shared_share=min(_effective(shared_first), _effective(shared_second)),
    )


def _shared(numerator: Floats, chance: Floats, share: float) -> Floats:
    weight = numerator / (share * (1 - chance) + (1 - share) * chance)
    if not weight.sum():
        raise TooFewRows(
            "two populations share nothing",
            got=f"a shared weight of 0 on all {len(chance)} rows",
            wanted="features that occur in both",
        )
    return np.asarray(weight / weight.sum())


def _effective(weights: Floats) -> float:
    return float(1 / np.sum(np.square(weights)) / len(weights))


def _chances(values: Floats) -> Floats:
    values = np.asarray(values, np.float64)
    if not len(values):
        raise TooFewRows("a population without rows cannot be weighted", wanted="at least one row")
    if not (np.isfinite(values).all() and values.min() >= 0 and values.max() <= 1):
        raise DataError(
            "a chance is no probability",
            got=f"values from {values.min():g} to {values.max():g}",
            wanted="values from 0 to 1",
        )
    return values
