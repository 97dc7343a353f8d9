"""The average effect of the challenger in two randomised arms."""

from __future__ import annotations

from pydantic import Field

from pipelines.causal.arms import Arms
from pipelines.core.findings import Interval
from pipelines.core.records import Record
from pipelines.stats.cuped import ArmsDifference, arms_difference

LEVEL = 0.95


class Effect(Record):
    """An effect of the challenger in the metric's unit; above zero, the challenger is better."""

    value: float
    standard_error: float = Field(gt=0)
    degrees: float = Field(gt=0, description="of freedom of the t law of interval and p-value")
    interval: Interval = Field(description="for this effect alone, at one planned look")
    p_value: float = Field(ge=0, le=1, description="two-sided, of no effect")
    challenger: float = Field(description="the metric in that arm, as measured")
    control: float
    challengers: int = Field(description="entities in the challenger arm")
    controls: int = Field(description="entities in the control arm")
    explained_share: float = Field(
        default=0.0, description="share of the variance that covariates took away"
    )

    @property
    def low(self) -> float:
        """Lower end of the interval."""
        return self.value if self.interval.low is None else self.interval.low

    @property
    def high(self) -> float:
        """Upper end of the interval."""
        return self.value if self.interval.high is None else self.interval.high


def average_effect(arms: Arms, *, covariates: bool, level: float = LEVEL) -> Effect:
    """Estimate the average effect: the difference in means, or with covariates CUPED.

    Arguments:
        arms: the entities.
        covariates: whether to adjust for the covariates.
        level: coverage of the interval, between 0 and 1.

    Raises:
        Undefined: there are too few entities, or none of them varies.

    Source: see ``arms_difference``.
    """
    challenger, control = arms.moments(covariates=covariates and arms.covariates.shape[1] > 0)
    found = arms_difference(challenger, control, ratio=arms.weight is not None)
    return effect_of(found, higher_is_better=arms.higher_is_better, level=level)


def effect_of(found: ArmsDifference, *, higher_is_better: bool, level: float = LEVEL) -> Effect:
    """Return a difference of arms as an effect.

    Arguments:
        found: challenger minus control, in the metric's own direction.
        higher_is_better: direction of the metric.
        level: coverage of the interval, between 0 and 1.
    """
    reference, value = found.small_sample, found.estimate if higher_is_better else -found.estimate
    return Effect(
        value=value,
        standard_error=reference.standard_error,
        degrees=reference.degrees,
        interval=reference.interval(value, level),
        p_value=reference.p_value(value),
        challenger=found.challenger,
        control=found.control,
        challengers=found.challengers,
        controls=found.controls,
        explained_share=found.explained_share,
    )
