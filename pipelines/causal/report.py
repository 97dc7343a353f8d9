"""What is known about the effects of one version, as a record."""

from __future__ import annotations

from enum import StrEnum
from typing import Literal

from pydantic import Field

from pipelines.causal.assumptions import Assumption
from pipelines.causal.average import Effect
from pipelines.causal.groups import Claim, FamilyTest, GroupEffect
from pipelines.causal.heterogeneity import Heterogeneity
from pipelines.causal.learner import Learner
from pipelines.causal.targeting import Targeting
from pipelines.core.records import Instant, Record

ArmsOf = Literal["canary", "holdback"]


class Advice(StrEnum):
    """What the effects suggest. They decide nothing."""

    PROMOTE_FOR_ALL = "promote_for_all"
    PROMOTE_FOR_SOME = "promote_for_some"
    REVIEW_GROUPS = "review_groups"
    DO_NOT_PROMOTE = "do_not_promote"
    NOT_SHOWN = "not_shown"
    VOID = "void"


class MetricEffect(Record):
    """The average effect on one metric."""

    metric: str
    higher_is_better: bool
    plain: Effect = Field(description="difference in means")
    adjusted: Effect | None = Field(
        default=None, description="with covariates; null: none is declared"
    )

    @property
    def best(self) -> Effect:
        """The estimate with covariates where there is one."""
        return self.adjusted or self.plain


class FoundEffects(Record):
    """What a model of effects, fitted on one half of the entities, shows on the other half."""

    learner: Learner
    fitted: int = Field(description="entities that the model was fitted on")
    groups: tuple[GroupEffect, ...] = Field(description="found on that half, measured on the other")
    heterogeneity: Heterogeneity | None = Field(description="null: the model predicts one effect")
    targeting: Targeting

    @property
    def named(self) -> tuple[GroupEffect, ...]:
        """The groups with a claim; none unless effects are shown to differ between entities."""
        if self.heterogeneity is None or not self.heterogeneity.shown:
            return ()
        return tuple(one for one in self.groups if one.claim in (Claim.GAINS, Claim.LOSES))


class SegmentArms(Record):
    """A segment whose arms are not those of the other entities."""

    column: str
    value: str
    control: str = Field(description="version that answers its control arm")
    left: Instant | None = Field(
        default=None,
        description="when it left the arms: its entities count until then; null: it did not",
    )

    @property
    def name(self) -> str:
        """As groups are named."""
        return f"{self.column} = {self.value}"


class EffectsReport(Record):
    """The effects of one version on live traffic."""

    model: str
    version: str = Field(description="the version whose effects are measured")
    against: str = Field(description="the version in the other arm, outside of these segments")
    segment_arms: tuple[SegmentArms, ...] = Field(
        default=(), description="segments with another version in the other arm, or that left"
    )
    arms: ArmsOf
    as_of: Instant
    began: Instant
    ended: Instant | None = Field(description="null: the arms are still answered")
    stopped_early: bool = Field(description="the arms ended before their declared weeks")
    assumptions: tuple[Assumption, ...]
    outcome: MetricEffect
    others: tuple[MetricEffect, ...] = Field(description="guardrails")
    declared: tuple[GroupEffect, ...] = Field(description="groups that the version declares")
    declared_tests: tuple[FamilyTest, ...] = ()
    found: FoundEffects | None = Field(
        default=None, description="null: could not be measured, see the notes"
    )
    notes: tuple[str, ...] = Field(default=(), description="what could not be measured, and why")

    @property
    def controls(self) -> tuple[SegmentArms, ...]:
        """The segments that were compared with another version than the others."""
        return tuple(
            one
            for one in self.segment_arms
            if one.control != self.against and one.left != self.began
        )

    @property
    def violated(self) -> tuple[Assumption, ...]:
        """The assumptions that do not hold."""
        return tuple(one for one in self.assumptions if one.holds is False)

    @property
    def losers(self) -> tuple[GroupEffect, ...]:
        """The groups that are shown to lose, declared ones first."""
        found = self.found.named if self.found is not None else ()
        return tuple(one for one in (*self.declared, *found) if one.claim is Claim.LOSES)

    @property
    def advice(self) -> Advice:
        """What the effects suggest."""
        best, rule = self.outcome.best, None if self.found is None else self.found.targeting
        if self.violated:
            return Advice.VOID
        if rule is not None and rule.shown:
            return Advice.PROMOTE_FOR_SOME
        if best.high < 0:
            return Advice.DO_NOT_PROMOTE
        if self.losers or (rule is not None and rule.better_than_all):
            return Advice.REVIEW_GROUPS
        return Advice.PROMOTE_FOR_ALL if best.low > 0 else Advice.NOT_SHOWN
