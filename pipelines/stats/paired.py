"""The paired difference of two models on the same rows, with days and entities as noise."""

from __future__ import annotations

import math
from bisect import bisect_left

import numpy as np
from pydantic import Field
from scipy import stats

from pipelines.core.arrays import Codes, Floats
from pipelines.core.errors import DataError
from pipelines.core.findings import Interval
from pipelines.core.records import Record
from pipelines.stats.power import Noise
from pipelines.stats.undefined import NoVariation, TooFewDays, TooFewEntities

FEWEST_DAYS = 3  # the two slowest cosines are not defined on fewer
LONGEST_WEEKS = 156  # longest window that is considered


class PairedDifference(Record):
    """Candidate minus champion in utility per row: above zero, the candidate is better."""

    estimate: float
    standard_error: float = Field(gt=0)
    df: float = Field(gt=0)
    variance_time: float = Field(description="long-run variance of the day sums")
    variance_entity: float = Field(description="one-way variance over entities")
    variance_cell: float = Field(description="what days and entities both count")
    rows: int
    days: int
    entities: int
    largest_entity_share: float = Field(description="share of rows, 0 to 1, of the largest entity")
    strict: bool

    @property
    def statistic(self) -> float:
        """Estimate over its standard error."""
        return self.estimate / self.standard_error

    @property
    def p_value(self) -> float:
        """One-sided p-value of "the candidate is not better"."""
        return self.p_above(0.0)

    def p_above(self, threshold: float) -> float:
        """One-sided p-value of "the true difference is at most ``threshold``"."""
        return float(stats.t.sf((self.estimate - threshold) / self.standard_error, self.df))

    def p_below(self, threshold: float) -> float:
        """One-sided p-value of "the true difference is at least ``threshold``"."""
        return float(stats.t.cdf((self.estimate - threshold) / self.standard_error, self.df))

    def interval(self, level: float) -> Interval:
        """Two-sided interval with coverage ``level``; each end is a bound at (1 + level) / 2."""
        reach = float(stats.t.ppf((1 + level) / 2, self.df)) * self.standard_error
        return Interval(low=self.estimate - reach, high=self.estimate + reach, level=level)

    def minimum_detectable_effect(self, alpha: float, power: float = 0.9) -> float:
        """True difference that a one-sided test at ``alpha`` finds with probability ``power``."""
        return self._noise.detectable_effect(alpha, power)

    def days_to_detect(self, effect: float, alpha: float, power: float = 0.9) -> int | None:
        """Length in days, in whole weeks, of a window that detects ``effect`` with these entities.

        Lasting differences between entities do not shrink with time, so ``None`` (not within three
        years) means that more entities are needed.
        """

        def lacks(weeks: int) -> bool:
            noise = self._noise.scaled_to(7 * weeks / self.days, cosine_terms(7 * weeks))
            return noise.detectable_effect(alpha, power) > effect

        weeks = 1 + bisect_left(range(1, LONGEST_WEEKS + 1), True, key=lambda at: not lacks(at))
        return 7 * weeks if weeks <= LONGEST_WEEKS else None

    @property
    def _noise(self) -> Noise:
        return Noise(
            time=self.variance_time,
            entity=self.variance_entity,
            cell=self.variance_cell,
            terms=cosine_terms(self.days),
            entities=self.entities,
            strict=self.strict,
        )


def cosine_terms(days: int) -> int:
    """Number of cosines in the average, which is also the long-run variance's degrees of freedom.

    Source: Lazarus, Lewis, Stock, Watson (2018), JBES 36, equation 4; never below two.
    """
    return max(2, round(0.4 * math.pow(days, 2 / 3)))


def long_run_variance(series: Floats) -> float:
    """Variance of the sum of a dependent series, equal-weighted cosine estimate.

    Arguments:
        series: one value for each day in order, mean zero, shape (days,).

    Source: Lazarus, Lewis, Stock, Watson (2018), JBES 36, equation 10.
    """
    days = len(series)
    terms = cosine_terms(days)
    frequency = np.arange(1, terms + 1)[:, None]
    waves = np.cos(np.pi * frequency * (np.arange(days) + 0.5) / days)
    return float(days / terms * np.sum(np.square(math.sqrt(2 / days) * (waves @ series))))


def paired_difference(
    candidate: Floats, champion: Floats, entity: Codes, day: Codes, *, strict: bool
) -> PairedDifference:
    """Mean difference of two models' utilities on the same rows, and its standard error.

    The variance is that of days (dependent in time) plus that of entities minus that of their
    intersections, and at least that of entities or of intersections alone: a small time part by
    chance must not give less than clustering by entity does.

    Arguments:
        candidate: influence values of each row, higher is better, shape (n,).
        champion: the same for the other model, on the same rows in the same order.
        entity: the entity of each row, any codes, shape (n,).
        day: day of each row, codes that sort in time, shape (n,); days without rows do not count.
        strict: use the long-run variance's own degrees of freedom, as if days were the only noise.

    Raises:
        TooFewDays: on fewer than three days.
        TooFewEntities: on fewer than two entities.
        NoVariation: when the difference is the same on all rows.
        DataError: when the arrays differ in length or contain a value that is not a number.

    Source: Cameron, Gelbach, Miller (2011), JBES 29, equation 2.13, with the time part as in
    Driscoll, Kraay (1998), Review of Economics and Statistics 80.
    """
    difference = row_differences(candidate, champion, entity, day)
    n = len(difference)
    days, day_code = np.unique(day, return_inverse=True)
    entities, entity_code = np.unique(entity, return_inverse=True)
    if len(days) < FEWEST_DAYS:
        raise TooFewDays(
            "the noise between days cannot be estimated",
            got=f"{n} rows on {len(days)} day(s)",
            wanted=f"at least {FEWEST_DAYS} days",
        )
    if len(entities) < 2:
        raise TooFewEntities(
            "the noise between entities cannot be estimated",
            got=f"{n} rows of {len(entities)} entity",
            wanted="at least 2 entities",
        )
    estimate = float(difference.mean())
    share = (difference - estimate) / n
    series: Floats = np.bincount(day_code, weights=share).astype(np.float64)
    time = long_run_variance(series)
    many = len(entities)
    between = float(np.sum(np.square(np.bincount(entity_code, weights=share))))
    between *= many / (many - 1)
    _, cell_code = np.unique(entity_code * len(days) + day_code, return_inverse=True)
    cell = float(np.sum(np.square(np.bincount(cell_code, weights=share))))
    noise = Noise(time, between, cell, cosine_terms(len(days)), many, strict)
    scale = max(float(np.abs(candidate).max()), float(np.abs(champion).max()))
    if math.sqrt(noise.variance) <= 8 * np.finfo(np.float64).eps * scale:
        raise NoVariation(estimate if difference.any() else 0.0, n)
    return PairedDifference(
        estimate=estimate,
        standard_error=math.sqrt(noise.variance),
        df=noise.df,
        variance_time=time,
        variance_entity=between,
        variance_cell=cell,
        rows=n,
        days=len(days),
        entities=many,
        largest_entity_share=float(np.bincount(entity_code).max() / n),
        strict=strict,
    )


def row_differences(candidate: Floats, champion: Floats, entity: Codes, day: Codes) -> Floats:
    """Candidate minus champion for each row; shape (n,).

    Raises:
        DataError: when the arrays differ in length or hold what is not a number.
    """
    lengths = {len(candidate), len(champion), len(entity), len(day)}
    if len(lengths) > 1:
        raise DataError(
            "the two models were not judged on the same rows",
            got=f"lengths {sorted(lengths)}",
            wanted="one value of each model, one entity and one day for each row",
        )
    difference = np.asarray(candidate, np.float64) - np.asarray(champion, np.float64)
    wrong = int(np.sum(~np.isfinite(difference)))
    if wrong:
        raise DataError(
            "a difference of two models is not a number",
            got=f"{wrong} of {len(difference)} rows",
            wanted="a finite utility of both models on every row",
        )
    return difference
