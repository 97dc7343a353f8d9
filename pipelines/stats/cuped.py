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


class SmallSample(Record):
    """The error of a difference when there are few units, with the t law that belongs to it."""

    standard_error: float = Field(
        gt=0, description="with what the covariates' slopes cost in degrees and in precision"
    )
    degrees: float = Field(gt=0, description="of freedom")

    def interval(self, estimate: float, level: float) -> Interval:
        """Two-sided interval around an estimate with coverage ``level``."""
        reach = float(stats.t.ppf((1 + level) / 2, self.degrees)) * self.standard_error
        return Interval(low=estimate - reach, high=estimate + reach, level=level)

    def p_value(self, estimate: float) -> float:
        """Two-sided p-value of "the true difference is zero"."""
        return float(2 * stats.t.sf(abs(estimate) / self.standard_error, self.degrees))


class ArmsDifference(Record):
    """Challenger minus control, in the metric's own unit and direction."""

    estimate: float
    standard_error: float = Field(gt=0, description="for many units, with the normal law")
    small_sample: SmallSample
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
        TooFewEntities: no stratum has two units in each arm, or covariates explain all units.
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
    cells = [arm for pair in pairs for arm in pair]
    slope, inverse = _slope(cells)
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
        small_sample=_small_sample(pairs, weight, slope, inverse),
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

    @property
    def spread(self) -> Floats:
        """Scatter of the covariates."""
        return np.asarray(self.scatter[1:, 1:], np.float64)

    def variance(self, slope: Floats) -> float:
        """Variance of the adjusted metric."""
        direction = np.concatenate([np.ones(1), -slope])
        return float(direction @ self.scatter @ direction) / (self.count - 1) / self.count


def _slope(cells: Sequence[_Arm]) -> tuple[Floats, Floats]:
    """Slope of influence values on covariates within cells, and the inverse of their scatter.

    The slope has minimum norm, and the inverse is a pseudo-inverse, if covariates are collinear.
    """
    pooled = np.sum([cell.scatter for cell in cells], axis=0)
    spread = np.sqrt(np.diag(pooled)[1:])
    spread[spread <= 0] = 1.0
    scale = np.outer(spread, spread)
    inverse = np.linalg.pinv(pooled[1:, 1:] / scale)
    return inverse @ (pooled[1:, 0] / spread) / spread, inverse / scale


def _small_sample(
    pairs: Sequence[tuple[_Arm, _Arm]], weight: Floats, slope: Floats, inverse: Floats
) -> SmallSample:
    """The error for few units: each slope takes a degree of freedom, and adds its own variance.

    The slopes' degrees are taken from all cells in proportion to their units, as randomisation does
    on average. Without covariates, the reference of one stratum is Welch's.

    Source: Welch (1947), Biometrika 34; Satterthwaite (1946), Biometrics Bulletin 2; the slopes'
    variance as in the analysis of covariance, with a variance for each cell.
    """
    cells = [(arm, share) for pair, share in zip(pairs, weight, strict=True) for arm in pair]
    slopes = round(float(np.trace(inverse @ np.sum([arm.spread for arm, _ in cells], axis=0))))
    free = sum(arm.count - 1 for arm, _ in cells)
    if slopes >= free:
        raise TooFewEntities(
            "two arms cannot be compared with this many covariates",
            got=f"{sum(arm.count for arm, _ in cells)} entities and {slopes} covariates",
            wanted="more entities than covariates and cells of arm and stage",
        )
    kept = 1 - slopes / free
    lever = inverse @ (weight @ [one.past - other.past for one, other in pairs])
    degrees = np.array([kept * (arm.count - 1) for arm, _ in cells])
    parts = np.array(
        [
            arm.variance(slope) / kept * (share**2 + arm.count * float(lever @ arm.spread @ lever))
            for arm, share in cells
        ]
    )
    return SmallSample(
        standard_error=math.sqrt(float(parts.sum())),
        degrees=float(parts.sum() ** 2 / (parts**2 / degrees).sum()),
    )
