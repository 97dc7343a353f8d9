"""Message texts that several findings of the canary share."""

from __future__ import annotations

from pipelines.spec.rollout import Canary, LiveMetric
from pipelines.stats.cuped import ArmsDifference


def too_few_units(units: tuple[int, int], canary: Canary) -> str:
    """Describe that an arm has too few entities; ``units`` are those of challenger and control."""
    return (
        f"{units[0]} and {units[1]} entities with a value in challenger and control arm; "
        f"required: {canary.minimum_entities} in each"
    )


def describe_difference(metric: LiveMetric, found: ArmsDifference) -> str:
    """Describe a metric in both arms and the gain with its standard error."""
    sign = 1 if metric.higher_is_better else -1
    spared = f", {found.explained_share:.0%} of the variance explained by covariates"
    return (
        f"{metric.name} {sign * found.challenger:.5g} against {sign * found.control:.5g}, gain "
        f"{found.estimate:.4g} with standard error {found.standard_error:.3g}"
        + (spared if found.explained_share > 0.005 else "")
    )
