"""The paired difference of two models on the same rows, with days and entities as noise."""

from __future__ import annotations

import math
from bisect import bisect_left

import numpy as np
from pydantic import Field
from scipy import stats

from pipelines.core.arrays import Codes, Floats, Integers
from pipelines.core.counts import counted
from pipelines.core.errors import DataError
from pipelines.core.findings import Interval
from pipelines.core.records import Record
from pipelines.stats.long_run import cosine_terms, first_order_variance, long_run_variance
from pipelines.stats.power import Noise
from pipelines.stats.undefined import NoVariation, TooFewDays

FEWEST_DAYS = 3  # the two slowest cosines are not defined on fewer
FEWEST_DAYS_ALONE = 7  # where days are the only noise: the correlation of days needs a week
FEWEST_ENTITIES = 12  # effective number: fewer do not determine their variance, see decision 19
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
    days_alone: bool = Field(
        default=False,
        description="too few entities for a variance between them: days are the only noise",
    )

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

        ``None``: not within three years. Lasting differences between entities do not shrink with
        time, so this means that more entities are needed, unless days are the only noise.
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


def paired_difference(
    candidate: Floats, champion: Floats, entity: Codes, day: Codes, *, strict: bool
) -> PairedDifference:
    """Mean difference of two models' utilities on the same rows, and its standard error.

    The variance is that of days (dependent in time) plus that of entities minus that of their
    intersections, and at least that of entities or of intersections alone: a small time part by
    chance must not give less than clustering by entity does.

    A few entities do not determine a variance between them. Below ``FEWEST_ENTITIES``, counted as
    entities with equally many rows, days are the only noise, and the difference is that of these
    entities: others may differ. The variance is then the larger one of two estimates, because a
    few cosines underestimate it where days are strongly dependent.

    Arguments:
        candidate: influence values of each row, higher is better, shape (n,).
        champion: the same for the other model, on the same rows in the same order.
        entity: the entity of each row, any codes, shape (n,).
        day: day of each row, codes that sort in time, shape (n,); days without rows do not count.
        strict: use the long-run variance's own degrees of freedom, as if days were the only noise.

    Raises:
        TooFewDays: on fewer than three days, or seven if there are few entities.
        NoVariation: when the difference is the same on all rows.
        DataError: when the arrays differ in length or contain a value that is not a number.

    Source: Cameron, Gelbach, Miller (2011), JBES 29, equation 2.13, with the time part as in
    Driscoll, Kraay (1998), Review of Economics and Statistics 80.
    """
    difference = row_differences(candidate, champion, entity, day)
    n = len(difference)
    days, day_code = np.unique(day, return_inverse=True)
    entities, entity_code, counts = np.unique(entity, return_inverse=True, return_counts=True)
    alone = effective_number(counts) < FEWEST_ENTITIES
    fewest = FEWEST_DAYS_ALONE if alone else FEWEST_DAYS
    if len(days) < fewest:
        raise TooFewDays(
            "the noise between days cannot be estimated",
            got=f"{n} rows of {len(entities)} entities on {counted(len(days), 'day')}",
            wanted=f"at least {fewest} days",
        )
    estimate = float(difference.mean())
    share = (difference - estimate) / n
    series: Floats = np.bincount(day_code, weights=share).astype(np.float64)
    time, terms = long_run_variance(series), cosine_terms(len(days))
    if alone:
        time = max(time, first_order_variance(series, _numbers(days)))
        noise = Noise(time, 0.0, 0.0, terms, len(entities), strict)
    else:
        noise = Noise(
            time,
            _entity_variance(share, entity_code, len(entities)),
            float(np.sum(np.square(_sums(share, entity_code * len(days) + day_code)))),
            terms,
            len(entities),
            strict,
        )
    scale = max(float(np.abs(candidate).max()), float(np.abs(champion).max()))
    if math.sqrt(noise.variance) <= 8 * np.finfo(np.float64).eps * scale:
        raise NoVariation(estimate if difference.any() else 0.0, n)
    return PairedDifference(
        estimate=estimate,
        standard_error=math.sqrt(noise.variance),
        df=noise.df,
        variance_time=noise.time,
        variance_entity=noise.entity,
        variance_cell=noise.cell,
        rows=n,
        days=len(days),
        entities=len(entities),
        largest_entity_share=float(counts.max() / n),
        strict=strict,
        days_alone=alone,
    )


def effective_number(counts: Integers) -> float:
    """Number of entities with equally many rows that would weigh as much as these.

    Arguments:
        counts: rows of each entity, shape (entities,).

    >>> effective_number(np.array([10, 10, 10]))
    3.0

    Source: the inverse of Simpson's index, Hill (1973), Ecology 54.
    """
    return float(np.square(counts.sum()) / np.sum(np.square(counts)))


def _entity_variance(share: Floats, code: Integers, entities: int) -> float:
    return float(np.sum(np.square(_sums(share, code)))) * entities / (entities - 1)


def _sums(share: Floats, code: Integers) -> Floats:
    _, place = np.unique(code, return_inverse=True)
    return np.asarray(np.bincount(place, weights=share), np.float64)


def _numbers(days: Codes) -> Integers:
    """Consecutive numbers of days, for their weekday; their order where they have none."""
    if days.dtype.kind == "M":
        return days.astype("datetime64[D]").astype(np.int64)
    return days.astype(np.int64) if days.dtype.kind in "iu" else np.arange(len(days))


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
