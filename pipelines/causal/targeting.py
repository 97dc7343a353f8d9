"""Whether promoting a version for some entities only would be better than for all."""

from __future__ import annotations

import numpy as np
from pydantic import Field

from pipelines.causal.arms import Arms
from pipelines.causal.average import LEVEL, Effect, average_effect
from pipelines.core.arrays import Floats
from pipelines.core.records import Record
from pipelines.stats.cuped import with_unknown_flags
from pipelines.stats.undefined import Undefined


class Targeting(Record):
    """The rule "promote for the entities with a predicted effect above zero"."""

    share: float = Field(ge=0, le=1, description="of the entities that would get the version")
    over_all: Effect | None = Field(
        description="gain of the rule over promoting for all, per entity of the whole; null: it is "
        "for all, or cannot be measured"
    )
    over_none: Effect | None = Field(
        description="gain of the rule over promoting for none, per entity of the whole; null: it "
        "is for none, or cannot be measured"
    )

    @property
    def better_than_all(self) -> bool:
        """Whether the rule is shown to be better than promoting for all."""
        return self.over_all is not None and self.over_all.low > 0

    @property
    def better_than_none(self) -> bool:
        """Whether the rule is shown to be better than promoting for none."""
        return self.over_none is not None and self.over_none.low > 0

    @property
    def shown(self) -> bool:
        """Whether the rule is shown to be better than both."""
        return self.better_than_all and self.better_than_none


def targeting(arms: Arms, predicted: Floats, *, level: float = LEVEL) -> Targeting:
    """Measure the rule on entities that its model was not fitted on.

    The gain over promoting for all is the mean over all entities of minus the effect on those that
    the rule leaves out: a difference of arms whose outcome is zero for the others.

    Arguments:
        arms: entities that the model was not fitted on.
        predicted: the predicted effect of each, shape (n,).
        level: coverage of the intervals, between 0 and 1.

    Source: Athey, Wager (2021), Econometrica 89, section 2: the value of a rule, with known
    propensities.
    """
    chosen = predicted > 0
    return Targeting(
        share=float(chosen.mean()),
        over_all=_part(arms, np.where(chosen, 0.0, -1.0), level),
        over_none=_part(arms, np.where(chosen, 1.0, 0.0), level),
    )


def _part(arms: Arms, weight: Floats, level: float) -> Effect | None:
    """The mean effect over all entities, each multiplied by a weight."""
    if not weight.any():
        return None
    there = np.abs(weight)[:, None]
    part = Arms(
        challenger=arms.challenger,
        stage=arms.stage,
        value=arms.units() * weight,
        weight=None,
        covariates=np.column_stack([there * with_unknown_flags(arms.covariates), there]),
        higher_is_better=True,
    )
    try:
        return average_effect(part, covariates=True, level=level)
    except Undefined:
        return None
