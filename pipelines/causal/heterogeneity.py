"""Whether effects really differ between entities, and as much as a model predicts."""

from __future__ import annotations

import numpy as np
from pydantic import Field

from pipelines.causal.arms import Arms
from pipelines.causal.average import LEVEL
from pipelines.causal.groups import Group, GroupEffect, group_effects
from pipelines.causal.robust_regression import robust_fit
from pipelines.core.arrays import Floats
from pipelines.core.findings import Interval
from pipelines.core.records import Record
from pipelines.stats.cuped import with_unknown_flags
from pipelines.stats.undefined import NoVariation

ALPHA = 0.05
QUARTERS = 4
_HALF = 0.5  # the known propensity


class Heterogeneity(Record):
    """The calibration of predicted effects, on entities that the model was not fitted on."""

    slope: float = Field(
        description="by how much the true effect grows with the predicted one: 1 if predictions "
        "are right, 0 if they say nothing"
    )
    interval: Interval
    p_value: float = Field(description='one-sided, of "predicted effects say nothing"')
    entities: int
    quarters: tuple[GroupEffect, ...] = Field(
        description="the entities in four groups by predicted effect, lowest first"
    )
    quarter_means: tuple[float, ...] = Field(description="mean predicted effect of each")

    @property
    def shown(self) -> bool:
        """Whether it is shown that effects differ."""
        return self.p_value <= ALPHA


def heterogeneity(
    arms: Arms, predicted: Floats, *, minimum: int, level: float = LEVEL
) -> Heterogeneity | None:
    """Test whether predicted effects say anything about the true ones.

    The best linear predictor of the effect, given the prediction S, is estimated by least squares:
    the outcome on the covariates, on S, on T - 1/2, and on (T - 1/2)(S - mean S), where T marks the
    challenger arm. The last coefficient is the slope. Errors are those of ``robust_fit``.

    Arguments:
        arms: entities that the model was not fitted on.
        predicted: the predicted effect of each, shape (n,).
        minimum: entities that a quarter needs in each arm.
        level: coverage of the intervals, between 0 and 1.

    Returns:
        The result, or None if the predicted effects are equal.

    Raises:
        TooFewEntities: there are too few entities for the regression.
        NoVariation: all entities have the same outcome.

    Source: Chernozhukov, Demirer, Duflo, Fernández-Val (2025), Econometrica 93, section 3.1 (best
    linear predictor) and 3.2 (sorted groups).
    """
    if np.ptp(predicted) <= 1e-9 * max(1.0, float(np.abs(predicted).max())):
        return None
    away, treated = predicted - predicted.mean(), arms.challenger - _HALF
    stages = (arms.stage[:, None] == np.unique(arms.stage)).astype(np.float64)
    units = arms.units()
    if not np.ptp(units):
        raise NoVariation(0.0, len(units))
    design = np.column_stack(
        [treated * away, treated, stages, away, with_unknown_flags(arms.covariates)]
    )
    fit = robust_fit(design, units)
    edges = np.quantile(predicted, np.arange(1, QUARTERS) / QUARTERS)
    quarter = np.searchsorted(edges, predicted, side="left")
    groups = [
        Group(f"quarter {at + 1} of the predicted effects", "predicted effect", quarter == at)
        for at in range(QUARTERS)
        if (quarter == at).any()
    ]
    return Heterogeneity(
        slope=float(fit.coefficients[0]),
        interval=fit.interval(0, level),
        p_value=fit.p_above(0),
        entities=len(predicted),
        quarters=group_effects(arms, groups, minimum=minimum, level=level),
        quarter_means=tuple(float(predicted[one.members].mean()) for one in groups),
    )
