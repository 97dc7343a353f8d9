"""The evidence for the next release step, from the prediction log, the streams and the registry."""

from __future__ import annotations

from datetime import datetime

from pipelines.flows.release.collaborators import ReleaseCollaborators
from pipelines.gates.canary.arm_rows import declared_rollout
from pipelines.gates.canary.evidence import CanaryInputs, canary_evidence, maturity_time
from pipelines.gates.canary.holdback import HoldbackVerdict, judge_holdback
from pipelines.gates.canary.pooled_refreshes import PooledRefreshes, measured_gain
from pipelines.gates.canary.refresh import REFRESH_WEEK, judge_refresh_canary
from pipelines.gates.canary.refresh_gain import RefreshGain
from pipelines.gates.canary.verdict import CanaryStep, CanaryVerdict, judge_canary
from pipelines.gates.shadow.evidence import shadow_evidence
from pipelines.gates.shadow.findings import judge_shadow
from pipelines.packaging.version import ModelVersion
from pipelines.predictions.assignment import Allocation
from pipelines.release.approval import approval_tag
from pipelines.release.budget import charged_level
from pipelines.release.rollout.evidence import (
    CanaryCheck,
    Evidence,
    HoldbackCheck,
    HoldbackStart,
    NothingWaiting,
    ReviewTag,
    ShadowCheck,
    ShadowStart,
)
from pipelines.release.rollout.holdback_action import promised_gain
from pipelines.release.rollout.lanes import (
    pooled_refreshes,
    record_watches,
    rollout_of,
    rollout_without,
)
from pipelines.release.rollout.state import Holdback, ReleaseState, Trial
from pipelines.release.rollout.transition import Stage
from pipelines.release.rollout.trial_action import shadow_passed
from pipelines.spec.rollout import Rollout


def collect_evidence(
    state: ReleaseState, as_of: datetime, collaborators: ReleaseCollaborators
) -> Evidence | None:
    """Measure the evidence for the next action, as of an instant.

    Returns: None if nothing has to be measured: the trial is void, or the stage began later.

    Raises:
        SpecError: there is no rollout to follow, and no such model is declared.
        DataError: the prediction log or a stream contradicts its declaration.
        Unavailable: the registry or a store did not answer.
    """
    if state.trial is not None:
        return _trial_evidence(state, state.trial, as_of, collaborators)
    if state.holdback is not None:
        return _holdback_evidence(state, state.holdback, as_of, collaborators)
    if state.promotion is not None and as_of < state.promotion.as_of:
        return None
    return _holdback_start(state, collaborators) or _waiting_evidence(state, collaborators)


def _holdback_start(
    state: ReleaseState, collaborators: ReleaseCollaborators
) -> HoldbackStart | None:
    promotion = state.promotion
    if promotion is None or promotion.champion_before is None or state.champion is None:
        return None
    version = collaborators.versions.load(state.model, state.champion)
    rollout = rollout_of(declared_rollout(version), promotion.lane)
    return HoldbackStart(rollout) if rollout.canary.holdback else None


def _waiting_evidence(state: ReleaseState, collaborators: ReleaseCollaborators) -> Evidence:
    challenger, versions = state.next_challenger, collaborators.versions
    if challenger is not None and challenger.candidate is not None:
        version = versions.load(state.model, challenger.candidate)
        return ShadowStart(rollout_of(declared_rollout(version), challenger.lane))
    if state.awaiting_review is not None:
        return ReviewTag(approval_tag(state.awaiting_review, collaborators.registry))
    return NothingWaiting(collaborators.load_spec(state.model).rollout is not None)


def _trial_evidence(
    state: ReleaseState, trial: Trial, as_of: datetime, collaborators: ReleaseCollaborators
) -> Evidence | None:
    if trial.void or as_of < trial.since:
        return None
    version = collaborators.versions.load(state.model, trial.challenger)
    if trial.transition.stage is Stage.SHADOW:
        return _shadow_check(state, trial, version, as_of, collaborators)
    return _canary_check(state, trial, version, as_of, collaborators)


def _shadow_check(
    state: ReleaseState,
    trial: Trial,
    version: ModelVersion,
    as_of: datetime,
    collaborators: ReleaseCollaborators,
) -> ShadowCheck:
    rollout, transition = _rollout(state, trial, version), trial.transition
    evidence = shadow_evidence(
        collaborators.open_events(version.spec),
        version,
        Allocation(
            salt=transition.salt, shadow_share=transition.shadow_share, apart=transition.apart
        ),
        trial.since,
        as_of,
        champion=trial.champion,
    )
    watched = record_watches(rollout, trial.admission.lane)
    findings = judge_shadow(evidence, rollout.shadow, record_watches=watched)
    check = ShadowCheck(rollout, evidence, findings)
    if not shadow_passed(trial, check, as_of):
        return check
    budget = collaborators.load_spec(trial.model).gates.budget
    pooled = _pooled(state, trial, version)
    return ShadowCheck(rollout, evidence, check.findings, budget, pooled)


def _canary_check(
    state: ReleaseState,
    trial: Trial,
    version: ModelVersion,
    as_of: datetime,
    collaborators: ReleaseCollaborators,
) -> CanaryCheck:
    rollout, ramp = _rollout(state, trial, version), state.ramp(trial.transition.salt)
    measured = canary_evidence(
        collaborators.open_events(version.spec),
        version,
        ramp,
        as_of,
        other_version=trial.champion,
    )
    watched, pooled = record_watches(rollout, trial.admission.lane), _pooled(state, trial, version)
    short = watched or (pooled is not None and pooled.proved)
    if short:
        verdict = judge_refresh_canary(
            measured.evidence, rollout, assignment=measured.assignment, record_watches=watched
        )
    else:
        verdict = _judge_canary(state, trial, version, measured)
    week_ends = _week_ends(version, ramp.began, verdict.weeks)
    won = verdict.step in (CanaryStep.PROMOTE, CanaryStep.PROMOTE_SEGMENTS)
    return CanaryCheck(
        rollout=rollout,
        evidence=measured.evidence,
        verdict=verdict,
        week_ends=(ramp.began + REFRESH_WEEK,) if watched else week_ends,
        budget=collaborators.load_spec(trial.model).gates.budget if won else None,
        pooled=pooled,
        gain=None if pooled is None else _gain(version, rollout, measured, verdict, short=short),
    )


def _pooled(state: ReleaseState, trial: Trial, version: ModelVersion) -> PooledRefreshes | None:
    """The canaries of earlier refreshes; this one is not in the ledger before it ends."""
    lane = trial.admission.lane
    return pooled_refreshes(state.entries, version.spec, declared_rollout(version), lane)


def _gain(
    version: ModelVersion,
    rollout: Rollout,
    measured: CanaryInputs,
    verdict: CanaryVerdict,
    *,
    short: bool,
) -> RefreshGain | None:
    """What a refresh has gained by its first look, or in the only week of a short canary."""
    weeks = 1 if short else rollout.canary.looks[0]
    margin = _margin(version, rollout)
    return measured_gain(measured.evidence, verdict.step, rollout, weeks, margin)


def _margin(version: ModelVersion, rollout: Rollout) -> float:
    """The loss of the outcome that a refresh is allowed, in its unit."""
    return version.spec.gates.refresh.cost * rollout.canary.outcome.minimum_effect


def _judge_canary(
    state: ReleaseState, trial: Trial, version: ModelVersion, measured: CanaryInputs
) -> CanaryVerdict:
    """Judge a canary by its looks: better, or for a refresh not worse by the margin."""
    rollout = _rollout(state, trial, version)
    return judge_canary(
        measured.evidence,
        rollout,
        _level(state, trial.run, rollout),
        margin=_margin(version, rollout) if trial.admission.lane == "refresh" else 0.0,
        assignment=measured.assignment,
        left=_left(trial) if rollout.canary.promotes_segments else (),
    )


def _left(trial: Trial) -> tuple[str, ...]:
    """The segments that have left a canary."""
    return trial.transition.apart.values if trial.transition.apart else ()


def _level(state: ReleaseState, run: str, rollout: Rollout) -> float:
    """The level of a canary: its charge, or that of a guardrail where it is no try.

    Arguments:
        run: the run that admitted the challenger.
    """
    charged = charged_level(state.entries, f"{run}.{Stage.CANARY}.0")
    return rollout.canary.guardrail_alpha if charged is None else charged


def _rollout(state: ReleaseState, trial: Trial, version: ModelVersion) -> Rollout:
    """The rollout that a version declares, in the lane of its trial.

    While segments have champions of their own, a version can be promoted for segments of the same
    key only.
    """
    rollout = rollout_of(declared_rollout(version), trial.admission.lane)
    canary = rollout.canary
    if state.segments is not None and state.segments.column != canary.segment_column:
        canary = canary.model_copy(update={"promote": "all"})
        rollout = rollout.model_copy(update={"canary": canary})
    whole = rollout.canary.promotes_segments  # the canary itself leaves out segments that left
    return rollout if whole else rollout_without(rollout, trial.transition.apart)


def _holdback_evidence(
    state: ReleaseState, holdback: Holdback, as_of: datetime, collaborators: ReleaseCollaborators
) -> HoldbackCheck | None:
    """The holdback's arms and, once their last outcome has matured, the canary's own arms again."""
    if as_of < holdback.since:
        return None
    version = collaborators.versions.load(state.model, holdback.champion)
    rollout, promotion = declared_rollout(version), holdback.promotion
    rollout = rollout_without(rollout, holdback.transition.apart)
    events = collaborators.open_events(version.spec)
    run = promotion.run.removesuffix(f".{Stage.PROMOTED}")
    level = _level(state, run, rollout)
    gain = promised_gain(promotion)

    def judge(measured: CanaryInputs, *, last: bool) -> HoldbackVerdict:
        return judge_holdback(
            measured.evidence, rollout, level, gain, last=last, assignment=measured.assignment
        )

    measured = canary_evidence(
        events,
        version,
        state.ramp(holdback.transition.salt),
        as_of,
        other_version=holdback.former,
        swapped=True,
    )
    verdict = judge(measured, last=False)
    canary_sums, canary_verdict = None, None
    dissolved = promotion.recorded_at
    if promotion.transition is not None and as_of >= maturity_time(version.spec, dissolved, 0):
        matured = canary_evidence(
            events,
            version,
            state.ramp(promotion.transition.salt),
            as_of,
            other_version=holdback.former,
            until=dissolved,
        )
        canary_sums, canary_verdict = matured.evidence, judge(matured, last=True)
    return HoldbackCheck(
        rollout=rollout,
        evidence=measured.evidence,
        verdict=verdict,
        canary_evidence=canary_sums,
        canary_verdict=canary_verdict,
        week_ends=_week_ends(version, holdback.since, verdict.weeks),
    )


def _week_ends(version: ModelVersion, began: datetime, weeks: int) -> tuple[datetime, ...]:
    """The instants at which the outcomes of each coming whole week have matured."""
    planned = declared_rollout(version).canary.weeks
    return tuple(maturity_time(version.spec, began, week) for week in range(weeks + 1, planned + 1))
