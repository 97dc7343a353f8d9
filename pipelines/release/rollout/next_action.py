"""The next action of a release: a pure function of the ledger's state and the evidence."""

from __future__ import annotations

from datetime import datetime, timedelta

from pipelines.core.time import instant_text
from pipelines.predictions.segments import SegmentValues
from pipelines.release.approval import APPROVAL_TAG, approval_command
from pipelines.release.ledger import Entry
from pipelines.release.rollout.actions import NextAction, ReleaseAction
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
from pipelines.release.rollout.holdback_action import holdback_action
from pipelines.release.rollout.recording import StageChange
from pipelines.release.rollout.stages import holdback_transition, shadow_transition
from pipelines.release.rollout.state import ReleaseState
from pipelines.release.rollout.trial_action import canary_action, shadow_action, void_action

APPROVAL_CHECK = timedelta(hours=1)  # interval between two checks for a reviewer's answer


def next_action(
    state: ReleaseState, evidence: Evidence | None, as_of: datetime, now: datetime
) -> NextAction:
    """Choose what a release does next.

    A trial comes first, then the holdback after a promotion, then the next challenger, then a
    version that awaits review.

    Arguments:
        state: the release state from the ledger.
        evidence: the evidence for the current situation; None where none is needed: the trial is
            void, or the situation began after ``as_of``.
        as_of: the as-of instant of the evidence.
        now: the present instant, not before the newest entry; determines the error budget's year.

    Raises:
        TypeError: the evidence is for another situation.
        IntegrityError: a ledger entry lacks a required field.
    """
    if state.trial is not None and state.trial.void:
        return void_action(state, state.trial, as_of)
    begun, what = _begun(state)
    if begun is not None and as_of < begun:
        return _too_early(as_of, begun, what)
    match evidence:
        case ShadowCheck() if state.trial is not None:
            action = shadow_action(state, state.trial, evidence, as_of, now)
        case CanaryCheck() if state.trial is not None:
            action = canary_action(state, state.trial, evidence, as_of)
        case HoldbackStart() if state.promotion is not None:
            action = _start_holdback(state, state.promotion, evidence, as_of)
        case HoldbackCheck() if state.holdback is not None:
            action = holdback_action(state.holdback, evidence, as_of)
        case ShadowStart() if state.next_challenger is not None:
            action = _start_shadow(state, state.next_challenger, evidence, as_of)
        case ReviewTag() if state.awaiting_review is not None:
            action = _review(state.awaiting_review, evidence, as_of)
        case NothingWaiting():
            action = _idle(evidence)
        case _:
            raise TypeError(f"{type(evidence).__name__} does not fit this state of the release")
    return action


def _begun(state: ReleaseState) -> tuple[datetime | None, str]:
    """The instant at which the current situation began, and the message to show before that."""
    if state.trial is not None:
        return state.trial.since, "this stage had not begun"
    if state.holdback is not None:
        return state.holdback.since, "the holdback had not begun"
    if state.promotion is not None:
        return state.promotion.as_of, _undecided(state.promotion)
    return None, ""


def _undecided(entry: Entry) -> str:
    return f"version {entry.candidate} was not decided on yet"


def _too_early(as_of: datetime, since: datetime, what: str) -> NextAction:
    return NextAction(
        action=ReleaseAction.WAITING,
        summary=f"as of {instant_text(as_of)} {what}",
        next_check=since,
    )


def _start_shadow(
    state: ReleaseState, admission: Entry, start: ShadowStart, as_of: datetime
) -> NextAction:
    if as_of < admission.as_of:
        return _too_early(as_of, admission.as_of, _undecided(admission))
    transition = shadow_transition(admission, start.rollout, _apart(state, admission))
    share = f"{transition.shadow_share:.0%} of requests"
    return NextAction(
        action=ReleaseAction.SHADOW,
        summary=f"version {transition.challenger} answers {share} in shadow",
        effect=StageChange(
            origin=admission,
            transition=transition,
            reason=f"every offline gate passed; {share} in shadow",
        ),
        next_check=as_of + start.rollout.shadow.duration,
    )


def _apart(state: ReleaseState, entry: Entry) -> SegmentValues | None:
    """The segments that a refresh does not replace, because they have a champion of their own."""
    return state.segments.values if state.segments and entry.lane == "refresh" else None


def _start_holdback(
    state: ReleaseState, promotion: Entry, start: HoldbackStart, as_of: datetime
) -> NextAction:
    transition = holdback_transition(promotion, start.rollout, _apart(state, promotion))
    reason = f"the former champion answers {transition.share:.0%} of entities, to measure the gain"
    return NextAction(
        action=ReleaseAction.HOLDBACK,
        summary=reason,
        effect=StageChange(origin=promotion, transition=transition, reason=reason),
        next_check=as_of + start.rollout.canary.check_every,
    )


def _review(entry: Entry, review: ReviewTag, as_of: datetime) -> NextAction:
    version = str(entry.candidate)
    evidence = entry.decision.evidence if entry.decision else ""
    ignored = f"; the tag {APPROVAL_TAG} in MLflow is no approval, because it names no person"
    return NextAction(
        action=ReleaseAction.AWAITING_APPROVAL,
        summary=f"version {version} awaits approval of the evidence {evidence}"
        + (ignored if review.tag else ""),
        next_step="read its page in MLflow, then run "
        f"`{approval_command(entry.model, version, evidence)}` (--refuse to refuse)",
        next_check=as_of + APPROVAL_CHECK,
    )


def _idle(nothing: NothingWaiting) -> NextAction:
    return NextAction(
        action=ReleaseAction.IDLE,
        summary="no challenger is on trial, and none is waiting",
        next_step=""
        if nothing.rollout_declared
        else "declare a `rollout` to let live traffic decide; without one, a version that passes "
        "offline becomes champion at once",
    )
