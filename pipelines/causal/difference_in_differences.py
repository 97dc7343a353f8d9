"""Difference in differences, for a switch of versions that was not randomised.

Entities that switched at one time are compared with entities that did not. What differs between
them all the time cancels, and what changes for all of them at the same time. The estimate needs
parallel trends: without the switch, both would have changed alike. Periods before the switch show
whether they did.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from pydantic import Field
from scipy import stats

from pipelines.causal.assumptions import Assumption
from pipelines.core.arrays import Codes, Floats, Mask
from pipelines.core.counts import counted
from pipelines.core.errors import DataError
from pipelines.core.findings import Interval
from pipelines.core.records import Record
from pipelines.stats.hotelling import SummedMeans
from pipelines.stats.undefined import NoVariation, TooFewEntities

LEVEL = 0.95
PRE_TREND_ALPHA = 0.05
LARGEST_LEAD = 1 / 3  # of the effect: the joint test alone has little power


@dataclass(frozen=True)
class Panel:
    """The outcome of entities in periods of equal length.

    Arguments:
        outcome: a value for each entity in each period, oldest first, shape (n, periods).
        switched: whether the entity switched, shape (n,).
        first: index of the first period after the switch, at least 1.
        cluster: code of what switched together, such as the entity's region, shape (n,); None: each
            entity switched by itself.
    """

    outcome: Floats
    switched: Mask
    first: int
    cluster: Codes | None = None


class PeriodEffect(Record):
    """The difference in one period, against the last one before the switch."""

    period: int = Field(description="0 is the first after the switch; negative before it")
    value: float
    standard_error: float
    interval: Interval | None = Field(
        description="null: all that switched changed alike, and so did all others"
    )


class SwitchEffect(Record):
    """What a switch changed, in the outcome's own direction."""

    value: float = Field(description="mean over all periods after the switch")
    standard_error: float
    interval: Interval
    p_value: float = Field(description="two-sided, of no effect")
    switched: int = Field(description="entities")
    others: int = Field(description="entities")
    clusters: int
    periods: tuple[PeriodEffect, ...]
    pre_trend_p: float | None = Field(
        description="of no difference in any earlier period; null: there is only one, or in each "
        "of them no entity differed from the last one before the switch"
    )
    trend_interval: Interval | None = Field(
        description="if trends may differ, in each later period, by as much as they did at most "
        "between two earlier ones; null: there is only one earlier period"
    )
    assumptions: tuple[Assumption, ...]


def difference_in_differences(panel: Panel, level: float = LEVEL) -> SwitchEffect:
    """Estimate the effect of a switch with entity and period effects, and its event study.

    With one time of the switch and a value in every cell, the coefficients of the regression on
    entities and periods are differences between means of the entities' own changes. Errors are
    robust to clusters: by entity, so to any dependence between the periods of one entity, or by
    ``panel.cluster``. The variances of the two parts may differ.

    Arguments:
        panel: the outcome before and after the switch.
        level: coverage of the intervals, between 0 and 1.

    Raises:
        DataError: the panel has no period before or after the switch, or a missing value.
        TooFewEntities: fewer than two clusters switched, or did not, or there are fewer clusters
            than earlier periods.
        NoVariation: all entities changed alike, or in an earlier period by two values.

    Source: Angrist, Pischke (2009), Mostly Harmless Econometrics, section 5.2; clusters by
    MacKinnon, Nielsen, Webb (2023), Journal of Applied Econometrics 38 (CV3); ``trend_interval``,
    with relative magnitude 1 and at the measured trends, by Rambachan, Roth (2023), Review of
    Economic Studies 90, section 2.4.1.
    """
    _refuse(panel)
    reference = panel.outcome[:, panel.first - 1]
    changes = panel.outcome - reference[:, None]
    others = [at for at in range(changes.shape[1]) if at != panel.first - 1]
    before = panel.outcome[:, : panel.first].mean(axis=1)
    after = panel.outcome[:, panel.first :].mean(axis=1)
    found, clusters = _contrast(np.column_stack([after - before, changes[:, others]]), panel)
    errors = np.sqrt(np.diag(found.covariance))
    smallest = 8 * np.finfo(np.float64).eps * float(np.abs(panel.outcome).max())
    varies, differs = errors > smallest, np.abs(found.values) > smallest
    leads = [place for place, at in enumerate(others, 1) if at < panel.first]
    for place in (0, *leads):
        if not varies[place] and (differs[place] or not place):
            raise NoVariation(float(found.values[place]), len(panel.outcome))

    def interval(place: int, wider: float = 0.0) -> Interval:
        quantile = float(stats.t.ppf((1 + level) / 2, found.at([place]).degrees()))
        reach, value = quantile * float(errors[place]) + wider, float(found.values[place])
        return Interval(low=value - reach, high=value + reach, level=level)

    moved = [place for place in leads if varies[place]]
    pre_trend = _trends_test(found, moved, clusters) if moved else None
    value = float(found.values[0])
    return SwitchEffect(
        value=value,
        standard_error=float(errors[0]),
        interval=interval(0),
        p_value=float(2 * stats.t.sf(abs(value) / float(errors[0]), found.at([0]).degrees())),
        switched=int(panel.switched.sum()),
        others=int((~panel.switched).sum()),
        clusters=clusters,
        periods=tuple(
            PeriodEffect(
                period=at - panel.first,
                value=float(found.values[place]),
                standard_error=float(errors[place]),
                interval=interval(place) if varies[place] else None,
            )
            for place, at in enumerate(others, 1)
        ),
        pre_trend_p=pre_trend,
        trend_interval=interval(0, _largest_bias(found, leads, panel)) if leads else None,
        assumptions=_assumptions(pre_trend, [float(found.values[at]) for at in leads], value),
    )


def _refuse(panel: Panel) -> None:
    periods = panel.outcome.shape[1]
    if not 0 < panel.first < periods:
        raise DataError(
            "a panel does not show a switch",
            got=f"{periods} periods, the first after the switch is number {panel.first}",
            wanted="a period before the switch and one after it",
        )
    if missing := int(np.sum(~np.isfinite(panel.outcome))):
        raise DataError(
            "a panel has gaps",
            got=f"{missing} of {panel.outcome.size} values are missing",
            wanted="a value for each entity in each period",
            hint="leave out the entities that have gaps, or use longer periods",
        )


def _contrast(columns: Floats, panel: Panel) -> tuple[SummedMeans, int]:
    """Switched minus others, for each column, with the covariance of the jackknife by clusters.

    Returns:
        The differences of means, and the number of clusters.
    """
    codes = (
        np.arange(len(columns))
        if panel.cluster is None
        else np.unique(panel.cluster, return_inverse=True)[1]
    )
    sides = (panel.switched, ~panel.switched)
    counts = (len(np.unique(codes[sides[0]])), len(np.unique(codes[sides[1]])))
    if min(counts) < 2:
        raise TooFewEntities(
            "too few entities for a difference in differences",
            got=f"{counts[0]} clusters that switched, {counts[1]} others",
            wanted="two of each",
        )
    means = [columns[side].mean(axis=0) for side in sides]
    clusters = int(codes.max()) + 1
    summed = []
    for side, mean, count, sign in zip(sides, means, counts, (1.0, -1.0), strict=True):
        scores = sign * (columns[side] - mean) / side.sum()
        by_cluster = [np.bincount(codes[side], column, clusters) for column in scores.T]
        others = 1 - np.bincount(codes[side], minlength=clusters) / side.sum()
        without = np.column_stack(by_cluster) / others[:, None]  # change of the mean without it
        summed.append(np.sqrt((count - 1) / count) * without)
    whole = summed[0] + summed[1]
    parts = [side.T @ side for side in summed]
    return SummedMeans(means[0] - means[1], whole.T @ whole, parts, counts), clusters


def _trends_test(found: SummedMeans, leads: list[int], clusters: int) -> float:
    """The p-value of "every earlier difference is zero"."""
    if np.linalg.matrix_rank(found.at(leads).covariance) == len(leads):
        p_value = found.at(leads).p_value()
        if p_value is not None:
            return p_value
    raise TooFewEntities(
        "too few clusters for a test of trends",
        got=f"{clusters} clusters and {len(leads)} earlier periods that vary",
        wanted="more clusters than earlier periods, none of which repeats others",
        hint="use fewer, longer periods",
    )


def _largest_bias(found: SummedMeans, leads: list[int], panel: Panel) -> float:
    """The bias of the mean effect if trends part as fast after the switch as at most before it."""
    path = np.concatenate([found.values[leads], [0.0]])
    step = float(np.abs(np.diff(path)).max())
    # The mean later period lies (later + 1) / 2 steps after the last earlier one, and the mean
    # earlier period (earlier - 1) / 2 steps before it.
    periods: int = panel.outcome.shape[1]
    return step * periods / 2


def _assumptions(
    pre_trend: float | None, leads: list[float], value: float
) -> tuple[Assumption, ...]:
    if pre_trend is None:
        reason = "there is only one period before the switch"
        if leads:
            reason = "before the switch, nothing changed from one period to another"
        trends = Assumption(name="parallel_trends", holds=None, reason=reason)
    else:
        largest = max(map(abs, leads))
        alike = pre_trend > PRE_TREND_ALPHA
        small = largest <= LARGEST_LEAD * abs(value)
        trends = Assumption(
            name="parallel_trends",
            holds=False if not alike else None if not small else True,
            reason=f"{counted(len(leads), 'earlier period')}: p = {pre_trend:.2g}; the largest "
            f"earlier difference is {largest:.3g}, the effect {value:.3g}",
        )
    anticipation = Assumption(
        name="no_anticipation",
        holds=None,
        reason="entities must not change before the switch because of it",
    )
    return trends, anticipation
