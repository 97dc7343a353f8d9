"""The difference between two randomised arms, with variance reduced by covariates (CUPED).

A unit is what was randomised; each counts once. The metric is a mean or a ratio. Covariates must
be fixed before the unit is exposed to its arm.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from pydantic import Field
from scipy import stats

from pipelines.core.arrays import Floats
from pipelines.core.errors import DataError
from pipelines.core.findings import Interval
from pipelines.core.records import Record
from pipelines.stats.moments import Moments
from pipelines.stats.undefined import NoVariation, TooFewEntities, ZeroDenominator


class ArmsDifference(Record):
    """Challenger minus control, in the metric's own unit and direction."""

    estimate: float
    standard_error: float = Field(gt=0)
    challenger: float = Field(description="the metric in that arm, as measured")
    control: float
    challengers: int = Field(description="entities in that arm")
    controls: int
    strata: int = Field(description="stages that were compared; smaller ones than two are not")
    explained_share: float = Field(description="share of the variance that covariates took away")

    @property
    def information(self) -> float:
        """One over the squared standard error."""
        return self.standard_error**-2

    @property
    def statistic(self) -> float:
        """Estimate over its standard error."""
        return self.estimate / self.standard_error

    def p_above(self, threshold: float) -> float:
        """One-sided p-value of "the true difference is at most ``threshold``"."""
        return float(stats.norm.sf((self.estimate - threshold) / self.standard_error))

    def interval(self, level: float) -> Interval:
        """Two-sided interval with coverage ``level``, for a single planned look."""
        reach = float(stats.norm.ppf((1 + level) / 2)) * self.standard_error
        return Interval(low=self.estimate - reach, high=self.estimate + reach, level=level)

    def negated(self) -> ArmsDifference:
        """The same difference with the opposite sign, for metrics where lower is better."""
        return self.model_copy(
            update={
                "estimate": -self.estimate,
                "challenger": -self.challenger,
                "control": -self.control,
            }
        )


def arms_difference(
    challenger: Sequence[Moments], control: Sequence[Moments], *, ratio: bool = False
) -> ArmsDifference:
    """Difference between arms, stratum by stratum, adjusted by covariates.

    Strata are weighted by ``n m / (n + m)``: inverse variances if all strata have the same spread.
    Weights from estimated variances would favour a stratum with a low variance by chance, and fail
    for small strata.

    Arguments:
        challenger: moments of its units in each stratum; columns are the outcome, its denominator
            if ``ratio``, then covariates.
        control: the same for the other arm, with the same strata in the same order.
        ratio: whether the metric is the sum of the first column over the sum of the second.

    Raises:
        TooFewEntities: no stratum has two units in each arm.
        ZeroDenominator: the sum of a ratio's denominators is not above 0.
        NoVariation: all units of each arm are equal.
        DataError: the arms have different strata.

    Source: Deng, Xu, Kohavi, Walker (2013), WSDM, equations 4 and 5, with the slope pooled within
    arms and strata; ratios by Deng, Knoblich, Lu (2018), KDD, equation 4 (delta method); strata by
    Miratrix, Sekhon, Yu (2013), JRSS B 75 (weights).
    """
    if len(challenger) != len(control):
        raise DataError(
            "two arms cannot be compared stage by stage",
            got=f"{len(challenger)} and {len(control)} strata",
            wanted="the same strata in both arms",
        )
    pairs = [
        (_Arm(one, ratio), _Arm(other, ratio))
        for one, other in zip(challenger, control, strict=True)
        if min(one.count, other.count) >= 2
    ]
    if not pairs:
        raise TooFewEntities(
            "two arms cannot be compared",
            got=f"{sum(m.count for m in challenger)} and {sum(m.count for m in control)} entities",
            wanted="two in each arm of one stage",
        )
    slope = _slope([arm for pair in pairs for arm in pair])
    size = np.array([one.count * other.count / (one.count + other.count) for one, other in pairs])
    weight = size / size.sum()
    gaps = [one.value - other.value - slope @ (one.past - other.past) for one, other in pairs]
    adjusted, raw = (
        float(np.square(weight) @ [one.variance(at) + other.variance(at) for one, other in pairs])
        for at in (slope, np.zeros_like(slope))
    )
    estimate = float(weight @ gaps)
    scale = max(max(abs(one.value), abs(other.value)) for one, other in pairs)
    counts = sum(one.count for one, _ in pairs), sum(other.count for _, other in pairs)
    if math.sqrt(max(adjusted, 0.0)) <= 8 * np.finfo(np.float64).eps * scale:
        raise NoVariation(estimate, sum(counts))
    return ArmsDifference(
        estimate=estimate,
        standard_error=math.sqrt(adjusted),
        challenger=float(weight @ [one.value for one, _ in pairs]),
        control=float(weight @ [other.value for _, other in pairs]),
        challengers=counts[0],
        controls=counts[1],
        strata=len(pairs),
        explained_share=1 - adjusted / raw,
    )


def with_unknown_flags(covariates: Floats) -> Floats:
    """Return covariates without NaN: zero instead, and a column that marks where, shape (n, k').

    Arguments:
        covariates: shape (n, k); NaN where unknown.
    """
    unknown = np.isnan(covariates)
    lacking = unknown[:, unknown.any(axis=0)].astype(np.float64)
    return np.column_stack([np.where(unknown, 0.0, covariates), lacking])


class _Arm:
    """One arm of one stratum: its metric, and the scatter of influence values and covariates."""

    def __init__(self, found: Moments, ratio: bool) -> None:
        self.count, lead = found.count, 2 if ratio else 1
        mean = np.array(found.mean)
        direction = np.ones(1)
        self.value, self.past = float(mean[0]), mean[lead:]
        if ratio:
            if mean[1] <= 0:
                raise ZeroDenominator(
                    "a ratio has no value in an arm",
                    got=f"a mean denominator of {mean[1]:g} over {found.count} entities",
                    wanted="denominators that add up to more than nothing",
                )
            self.value = float(mean[0] / mean[1])
            direction = np.array([1.0, -self.value]) / mean[1]
        turn = np.eye(len(mean))[lead - 1 :]
        turn[0, :lead] = direction
        self.scatter = turn @ np.array(found.scatter) @ turn.T

    def variance(self, slope: Floats) -> float:
        """Variance of the adjusted metric."""
        direction = np.concatenate([np.ones(1), -slope])
        return float(direction @ self.scatter @ direction) / (self.count - 1) / self.count


def _slope(arms: Sequence[_Arm]) -> Floats:
    """Slope of influence values on covariates within arms; minimum norm if they are collinear."""
    pooled = np.sum([arm.scatter for arm in arms], axis=0)
    spread = np.sqrt(np.diag(pooled)[1:])
    spread[spread <= 0] = 1.0
    alike = pooled[1:, 1:] / np.outer(spread, spread)
    return np.asarray(np.linalg.pinv(alike) @ (pooled[1:, 0] / spread) / spread, np.float64)
