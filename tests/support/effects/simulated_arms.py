"""Two randomised arms with known effects."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from pipelines.causal.arms import Arms
from pipelines.causal.groups import Group
from pipelines.core.arrays import Floats, Integers

KINDS = 4


@dataclass(frozen=True)
class ArmsWorld:
    """What happens to the entities of two arms.

    Arguments:
        entities: in both arms together.
        effect: of the challenger on each entity.
        harmed: what is added to it in kind 0, one of four kinds of equal size.
        slope: what is added to it for each unit of the first feature, which is standard normal.
        past: correlation of outcome and covariate.
        ratio: whether entities have one to five rows each, and the metric is a ratio.
    """

    entities: int = 2000
    effect: float = 0.0
    harmed: float = 0.0
    slope: float = 0.0
    past: float = 0.7
    ratio: bool = False


@dataclass(frozen=True)
class DrawnArms:
    """One draw of a world.

    Arguments:
        arms: the entities.
        kind: of each entity, from 0, shape (n,).
        features: standard normal, shape (n, 3).
        effect: the true effect on each entity, shape (n,).
    """

    arms: Arms
    kind: Integers
    features: Floats
    effect: Floats

    @property
    def frame(self) -> pd.DataFrame:
        """What is known of each entity before."""
        found = pd.DataFrame(self.features, columns=["size", "age", "price"])
        return found.assign(kind=[f"kind {one}" for one in self.kind])

    @property
    def groups(self) -> list[Group]:
        """One for each kind."""
        return [Group(f"kind = {one}", "kind", self.kind == one) for one in range(KINDS)]


def draw_arms(world: ArmsWorld, rng: np.random.Generator) -> DrawnArms:
    """Draw arms in two stages, with a tenth of the covariates unknown."""
    n = world.entities
    challenger, stage = rng.random(n) < 0.5, (rng.random(n) < 0.3).astype(np.int64)
    kind, features = rng.integers(0, KINDS, n), rng.normal(size=(n, 3))
    past = rng.normal(size=n)
    effect = world.effect + world.harmed * (kind == 0) + world.slope * features[:, 0]
    value = world.past * past + np.sqrt(1 - world.past**2) * rng.normal(size=n)
    value = value + challenger * effect + 0.5 * stage
    weight = rng.integers(1, 6, n).astype(np.float64) if world.ratio else None
    arms = Arms(
        challenger=challenger,
        stage=stage,
        value=value if weight is None else value * weight,
        weight=weight,
        covariates=np.where(rng.random(n) < 0.1, np.nan, past)[:, None],
        higher_is_better=True,
    )
    return DrawnArms(arms, kind, features, effect)
