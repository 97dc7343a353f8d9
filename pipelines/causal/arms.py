"""The entities of two randomised arms, as arrays."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from pipelines.core.arrays import Floats, Integers, Mask
from pipelines.stats.cuped import with_unknown_flags
from pipelines.stats.moments import Moments, moments
from pipelines.stats.undefined import ZeroDenominator


@dataclass(frozen=True)
class Arms:
    """The entities of two arms of equal planned size, one row for each.

    Arguments:
        challenger: whether the entity is in the challenger arm, shape (n,).
        stage: stage of the ramp at which the entity entered its arm; a stratum, shape (n,).
        value: the metric's sum over the entity's matured rows, shape (n,).
        weight: the sum of the denominators of a ratio, shape (n,); None for a mean over entities.
        covariates: numbers from before the entity entered its arm, NaN if unknown, shape (n, k).
        higher_is_better: direction of the metric.
    """

    challenger: Mask
    stage: Integers
    value: Floats
    weight: Floats | None
    covariates: Floats
    higher_is_better: bool

    @property
    def sign(self) -> float:
        """The factor that turns the metric such that more is better."""
        return 1.0 if self.higher_is_better else -1.0

    def select(self, members: Mask) -> Arms:
        """Return the arms with some of their entities, given as a mask of shape (n,)."""
        return Arms(
            self.challenger[members],
            self.stage[members],
            self.value[members],
            None if self.weight is None else self.weight[members],
            self.covariates[members],
            self.higher_is_better,
        )

    def units(self) -> Floats:
        """Return one number for each entity whose difference in means is the metric's, shape (n,).

        A ratio is linearised at its value in the control arm: ``(value - ratio * weight)`` over the
        mean weight. Numbers are turned such that more is better.

        Raises:
            ZeroDenominator: the control arm's weights do not add up to more than 0.

        Source: Budylin, Drutsa, Katsev, Tsoy (2018), WSDM, section 4.
        """
        if self.weight is None:
            return self.sign * self.value
        control = ~self.challenger
        below = float(self.weight[control].sum())
        if below <= 0:
            raise ZeroDenominator(
                "a ratio has no value in the control arm",
                got=f"denominators that add up to {below:g} over {int(control.sum())} entities",
                wanted="denominators that add up to more than nothing",
            )
        ratio = float(self.value[control].sum()) / below
        return self.sign * (self.value - ratio * self.weight) / float(self.weight.mean())

    def moments(self, *, covariates: bool) -> tuple[list[Moments], list[Moments]]:
        """Return the moments of challenger and control arm, by stage.

        Arguments:
            covariates: whether to include the covariates' columns.
        """
        lead = [self.value] if self.weight is None else [self.value, self.weight]
        past = [with_unknown_flags(self.covariates)] if covariates else []
        columns = np.column_stack([*lead, *past])
        stages = np.unique(self.stage)
        challenger, control = (
            [moments(columns[(self.stage == stage) & (self.challenger == arm)]) for stage in stages]
            for arm in (True, False)
        )
        return challenger, control
