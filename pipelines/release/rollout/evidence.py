"""The evidence that a release step needs, one record for each situation a release can be in."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from pipelines.core.findings import Finding
from pipelines.gates.canary.holdback import HoldbackVerdict
from pipelines.gates.canary.pooled_refreshes import PooledRefreshes
from pipelines.gates.canary.refresh_gain import RefreshGain
from pipelines.gates.canary.sums import CanaryEvidence
from pipelines.gates.canary.verdict import CanaryVerdict
from pipelines.gates.shadow.findings import ShadowEvidence
from pipelines.spec.rollout import Rollout
from pipelines.spec.training import BudgetGate


@dataclass(frozen=True)
class ShadowCheck:
    """A challenger in shadow.

    Arguments:
        rollout: as the challenger declares it.
        evidence: its answers compared with the champion's.
        findings: the findings of the shadow gate.
        budget: the model's error budget; read when the canary may begin.
        pooled: the canaries of earlier refreshes; None where they are not pooled.
    """

    rollout: Rollout
    evidence: ShadowEvidence
    findings: tuple[Finding, ...]
    budget: BudgetGate | None = None
    pooled: PooledRefreshes | None = None


@dataclass(frozen=True)
class CanaryCheck:
    """A challenger in its canary.

    Arguments:
        rollout: as the challenger declares it.
        evidence: sums of both arms.
        verdict: the verdict of the canary gate.
        week_ends: the instants at which the outcomes of each coming whole week have matured.
        budget: the model's error budget; read when the challenger may be promoted.
        pooled: the canaries of earlier refreshes; None where they are not pooled.
        gain: what this refresh has gained, for those of later ones.
    """

    rollout: Rollout
    evidence: CanaryEvidence
    verdict: CanaryVerdict
    week_ends: tuple[datetime, ...]
    budget: BudgetGate | None = None
    pooled: PooledRefreshes | None = None
    gain: RefreshGain | None = None


@dataclass(frozen=True)
class HoldbackCheck:
    """A promotion under observation.

    Arguments:
        rollout: as the promoted version declares it.
        evidence: sums of the holdback's arms.
        verdict: the verdict of the holdback.
        canary_evidence: sums of the canary's own arms, once their last outcome has matured.
        canary_verdict: the verdict on these sums.
        week_ends: the instants at which the outcomes of each coming whole week have matured.
    """

    rollout: Rollout
    evidence: CanaryEvidence
    verdict: HoldbackVerdict
    canary_evidence: CanaryEvidence | None
    canary_verdict: HoldbackVerdict | None
    week_ends: tuple[datetime, ...]


@dataclass(frozen=True)
class HoldbackStart:
    """A promotion whose version declares a holdback."""

    rollout: Rollout


@dataclass(frozen=True)
class ShadowStart:
    """A challenger that may begin its rollout."""

    rollout: Rollout


@dataclass(frozen=True)
class ReviewTag:
    """A version that awaits review, and its approval tag in the registry."""

    tag: str


@dataclass(frozen=True)
class NothingWaiting:
    """No rollout, and no version waits for one."""

    rollout_declared: bool


Evidence = (
    ShadowCheck
    | CanaryCheck
    | HoldbackCheck
    | HoldbackStart
    | ShadowStart
    | ReviewTag
    | NothingWaiting
)
