"""Effects by group of entities, with control of the chance of any false claim."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

import numpy as np
from pydantic import Field
from scipy.stats import f

from pipelines.causal.arms import Arms
from pipelines.causal.average import LEVEL, Effect, average_effect
from pipelines.core.arrays import Mask
from pipelines.core.records import Record
from pipelines.stats.holm import holm
from pipelines.stats.undefined import Undefined

ALPHA = 0.05  # chance of any false claim about the groups of one family


class Claim(StrEnum):
    """What is shown about a group."""

    GAINS = "gains"
    LOSES = "loses"
    NOT_SHOWN = "not_shown"
    TOO_FEW = "too_few"


@dataclass(frozen=True)
class Group:
    """A group of entities that was fixed before they entered their arms.

    Arguments:
        name: what defines the group, as text.
        family: groups that divide the entities by the same property, such as a column's name.
        members: whether each entity belongs to it, shape (n,).
    """

    name: str
    family: str
    members: Mask


class GroupEffect(Record):
    """The effect in one group."""

    name: str
    family: str
    share: float = Field(ge=0, le=1, description="of the entities")
    effect: Effect | None = Field(description="null: too few entities, or no variation")
    p_adjusted: float | None = Field(
        default=None, description="of no effect, by Holm over all groups of the table"
    )
    claim: Claim


class FamilyTest(Record):
    """Whether the groups of one family have different effects."""

    family: str
    groups: int
    p_value: float = Field(description="of equal effects in all of them")

    @property
    def differ(self) -> bool:
        """Whether the effects are shown to differ."""
        return self.p_value <= ALPHA


def group_effects(
    arms: Arms,
    groups: Sequence[Group],
    *,
    minimum: int,
    covariates: bool = True,
    level: float = LEVEL,
) -> tuple[GroupEffect, ...]:
    """Estimate the effect in each group.

    A group gains or loses if its p-value, adjusted by Holm over all groups, is at most 0.05. So the
    chance of any false claim is at most 5 %, whatever the dependence between the groups. Intervals
    are those of each group alone.

    Arguments:
        arms: the entities.
        groups: the groups; they may overlap.
        minimum: entities that a group needs in each arm.
        covariates: whether to adjust for the covariates.
        level: coverage of each interval, between 0 and 1.
    """
    found = [_effect(arms.select(one.members), minimum, covariates, level) for one in groups]
    known = [at for at, effect in enumerate(found) if effect is not None]
    p_values = dict(
        zip(known, holm([e.p_value for e in found if e is not None]).tolist(), strict=True)
    )
    return tuple(
        GroupEffect(
            name=group.name,
            family=group.family,
            share=float(group.members.mean()) if len(group.members) else 0.0,
            effect=effect,
            p_adjusted=p_values.get(at),
            claim=_claim(effect, p_values.get(at)),
        )
        for at, (group, effect) in enumerate(zip(groups, found, strict=True))
    )


def _effect(arms: Arms, minimum: int, covariates: bool, level: float) -> Effect | None:
    many = int(arms.challenger.sum())
    if min(many, len(arms.challenger) - many) < minimum:
        return None
    try:
        return average_effect(arms, covariates=covariates, level=level)
    except Undefined:
        return None


def _claim(effect: Effect | None, p_adjusted: float | None) -> Claim:
    if effect is None or p_adjusted is None:
        return Claim.TOO_FEW
    if p_adjusted > ALPHA:
        return Claim.NOT_SHOWN
    return Claim.GAINS if effect.value > 0 else Claim.LOSES


def family_tests(effects: Sequence[GroupEffect]) -> tuple[FamilyTest, ...]:
    """Test in each family with two groups or more whether all groups have the same effect.

    The groups of a family must not overlap.

    Source: Welch (1951), Biometrika 38: Cochran's Q with the F law of few entities.
    """
    families: dict[str, list[Effect]] = {}
    for one in effects:
        if one.effect is not None:
            families.setdefault(one.family, []).append(one.effect)
    tests = []
    for family, members in families.items():
        if len(members) < 2:
            continue
        values = np.array([one.value for one in members])
        weights = np.array([one.standard_error for one in members]) ** -2
        spread = float(weights @ (values - weights @ values / weights.sum()) ** 2)
        between = len(members) - 1
        uncertain = float(
            (1 - weights / weights.sum()) ** 2 @ [1 / one.degrees for one in members]
        ) / (between * (between + 2))
        statistic = spread / between / (1 + 2 * (between - 1) * uncertain)
        p_value = float(f.sf(statistic, between, 1 / (3 * uncertain)))
        tests.append(FamilyTest(family=family, groups=len(members), p_value=p_value))
    return tuple(tests)
