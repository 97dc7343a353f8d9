"""The actions of a release step, and what each changes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from pipelines.core.findings import Finding
from pipelines.core.records import Record
from pipelines.gates.canary.look import Look
from pipelines.gates.canary.refresh_gain import RefreshGain
from pipelines.release.promotion import DecisionInput
from pipelines.release.rollout.recording import StageChange


class ReleaseAction(StrEnum):
    """The result of one release step. Those before ``waiting`` change the ledger."""

    SHADOW = "shadow"
    CANARY = "canary"
    SEGMENT_LEFT = "segment_left"
    PROMOTED = "promoted"
    HOLDBACK = "holdback"
    KEPT = "kept"
    ENDED = "ended"
    ROLLED_BACK = "rolled_back"
    WAITING = "waiting"
    AWAITING_APPROVAL = "awaiting_approval"
    BUDGET_EXHAUSTED = "budget_exhausted"
    IDLE = "idle"

    @property
    def changes_ledger(self) -> bool:
        """Whether the step recorded something."""
        return self not in (
            ReleaseAction.WAITING,
            ReleaseAction.AWAITING_APPROVAL,
            ReleaseAction.BUDGET_EXHAUSTED,
            ReleaseAction.IDLE,
        )


@dataclass(frozen=True)
class Promotion:
    """Judge the challenger with all its evidence, and make it champion if the policy agrees.

    If the policy does not promote it, the trial ends.
    """

    inputs: DecisionInput


@dataclass(frozen=True)
class TakeBack:
    """Make the former champion champion again.

    Arguments:
        run: id of the rollback; repeating it with the same id does nothing more.
        to: the former champion.
        reason: kept in the ledger.
        recipe: of both versions, if a refresh is taken back.
    """

    run: str
    to: str
    reason: str
    recipe: str = ""


Effect = StageChange | Promotion | TakeBack


@dataclass(frozen=True)
class Progress:
    """The measurements on live traffic so far.

    Arguments:
        findings: the findings of the newest check.
        weeks: number of whole matured weeks that count.
        planned_weeks: planned total of weeks; 0 outside of a canary and a holdback.
        looks: interim analyses taken so far.
        planned_looks: the weeks after which an interim analysis is planned.
        gain: what a refresh has gained in its canary, if only the canary can measure that.
    """

    findings: tuple[Finding, ...] = ()
    weeks: int = 0
    planned_weeks: int = 0
    looks: tuple[Look, ...] = ()
    planned_looks: tuple[int, ...] = ()
    gain: RefreshGain | None = None


@dataclass(frozen=True)
class NextAction:
    """The action to take.

    Arguments:
        action: its kind.
        summary: why, in one sentence.
        effect: what it changes; None for an action that only reports.
        next_step: what a person can do, where one is needed.
        next_check: when to run the release again; None when nothing is expected.
        progress: what was measured.
        saved: evidence to store before anything changes, by run id.
    """

    action: ReleaseAction
    summary: str
    effect: Effect | None = None
    next_step: str = ""
    next_check: datetime | None = None
    progress: Progress = Progress()
    saved: Mapping[str, Record] = field(default_factory=dict)
