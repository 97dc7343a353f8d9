"""The next action of a trial, from the evidence of shadow and canary."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta

from pipelines.core.findings import Finding, Gate, Verdict, overall
from pipelines.core.time import instant_text
from pipelines.gates.budget.findings import EXHAUSTED
from pipelines.gates.canary.verdict import CanaryStep
from pipelines.predictions.segments import segment_words
from pipelines.release.budget import budget_findings, budget_year
from pipelines.release.ledger import LIVE
from pipelines.release.promotion import FREE_LANES, DecisionInput
from pipelines.release.rollout.actions import NextAction, Progress, Promotion, ReleaseAction
from pipelines.release.rollout.evidence import CanaryCheck, ShadowCheck
from pipelines.release.rollout.recording import StageChange
from pipelines.release.rollout.segment_champions import SegmentChange
from pipelines.release.rollout.stages import (
    final_transition,
    next_transition,
    without_segments,
)
from pipelines.release.rollout.state import ReleaseState, Trial
from pipelines.release.rollout.transition import Stage

LONGEST_SHADOW = 2  # an inconclusive shadow ends after this multiple of its duration
BUDGET_CHECK = timedelta(days=1)  # interval between two checks for a new year or a larger budget
_ENDED = {
    CanaryStep.ROLL_BACK: "harm is shown",
    CanaryStep.VOID: "void",
    CanaryStep.STOP_INCONCLUSIVE: "inconclusive",
}


def void_action(state: ReleaseState, trial: Trial, as_of: datetime) -> NextAction:
    """End a trial whose champion was replaced."""
    reason = f"void: champion {trial.champion} was replaced during the trial"
    return end_trial(state, trial, reason, Progress(), as_of)


def shadow_passed(trial: Trial, check: ShadowCheck, as_of: datetime) -> bool:
    """Whether shadow is over and every finding passed, so that the canary may begin."""
    return trial.is_due(check.rollout, as_of) and overall(check.findings) is Verdict.PASS


def shadow_action(
    state: ReleaseState, trial: Trial, check: ShadowCheck, as_of: datetime, now: datetime
) -> NextAction:
    """Wait, begin the canary, or end the trial.

    Arguments:
        state: the release state from the ledger.
        trial: the current trial, in shadow.
        check: the evidence of the shadow. ``budget`` is needed once shadow has passed.
        as_of: the as-of instant of the evidence.
        now: the present instant, for the year of the error budget.
    """
    progress = Progress(findings=check.findings)
    ends = trial.since + check.rollout.shadow.duration
    if not trial.is_due(check.rollout, as_of):
        return NextAction(
            action=ReleaseAction.WAITING,
            summary=f"in shadow until {instant_text(ends)}",
            next_check=ends,
            progress=progress,
        )
    verdict = overall(check.findings)
    saved = {f"{trial.run}.{Stage.SHADOW}": check.evidence}
    if verdict is Verdict.PASS:
        action = _begin_canary(state, trial, check, as_of, now)
        return replace(action, saved=saved)
    against = ", ".join(
        one.name for one in check.findings if one.blocking and one.verdict is not Verdict.PASS
    )
    latest = trial.since + LONGEST_SHADOW * check.rollout.shadow.duration
    if verdict is Verdict.FAIL or as_of >= latest:
        reason = f"shadow: {verdict} because of {against}"
        return replace(end_trial(state, trial, reason, progress, as_of), saved=saved)
    return NextAction(
        action=ReleaseAction.WAITING,
        summary=f"shadow is inconclusive so far ({against}); it ends at {instant_text(latest)}",
        next_check=min(latest, as_of + check.rollout.canary.check_every),
        progress=progress,
    )


def _begin_canary(
    state: ReleaseState, trial: Trial, check: ShadowCheck, as_of: datetime, now: datetime
) -> NextAction:
    """Begin the canary and charge it, unless it is no try, to the error budget of the year."""
    transition = next_transition(trial, check.rollout)
    if transition is None or check.budget is None:
        raise ValueError("a canary needs at least one stage, and the model's error budget")
    change = StageChange(
        origin=trial.admission,
        transition=transition,
        reason=f"shadow passed; {transition.share:.0%} of entities in each arm",
    )
    year = budget_year(LIVE, as_of, now)
    free = FREE_LANES.get(trial.admission.lane, "")
    charged = budget_findings(state.entries, check.budget, year, change.run, None, free)
    if any(one.name == EXHAUSTED for one in charged) and not _waived(trial):
        return NextAction(
            action=ReleaseAction.BUDGET_EXHAUSTED,
            summary=f"shadow passed, but the error budget of {year} is used up: no canary before "
            f"{year + 1}",
            next_step="leave it in shadow until then, or declare a larger `gates.budget`, or train "
            f"it again with --waive {EXHAUSTED} --reason WHY",
            next_check=as_of + BUDGET_CHECK,
            progress=Progress(findings=(*check.findings, *charged)),
        )
    price = tuple(one for one in charged if one.name != EXHAUSTED)
    pooled = () if check.pooled is None else (check.pooled.finding,)
    findings = (*check.findings, *price, *pooled)
    return NextAction(
        action=ReleaseAction.CANARY,
        summary=f"version {transition.challenger} answers {transition.share:.0%} of entities, and "
        "as many are the champion's control arm",
        effect=change.model_copy(update={"findings": findings}),
        next_check=as_of + check.rollout.canary.check_every,
        progress=Progress(findings=findings),
    )


def _waived(trial: Trial) -> bool:
    facts = trial.admission.facts
    return facts is not None and EXHAUSTED in facts.waived and bool(facts.reason.strip())


def canary_action(
    state: ReleaseState, trial: Trial, check: CanaryCheck, as_of: datetime
) -> NextAction:
    """Wait, go to the next stage, promote, or end the trial.

    Arguments:
        state: the release state from the ledger.
        trial: the current trial, in its canary.
        check: the evidence of the canary. ``budget`` is needed when the canary is won.
        as_of: the as-of instant of the evidence.
    """
    verdict, canary = check.verdict, check.rollout.canary
    findings = (*verdict.findings, *_pooled_findings(check))
    progress = Progress(
        findings=findings,
        weeks=verdict.weeks,
        planned_weeks=verdict.planned_weeks,
        looks=verdict.looks,
        planned_looks=verdict.planned_looks,
        gain=check.gain,
    )
    if verdict.step in (CanaryStep.PROMOTE, CanaryStep.PROMOTE_SEGMENTS):
        return _promote(state, trial, check, as_of, progress)
    if verdict.step.ends:
        reason = f"{_ENDED[verdict.step]}: {'; '.join(verdict.reasons)}"
        saved = {f"{trial.run}.{Stage.ENDED}": check.evidence}
        return replace(end_trial(state, trial, reason, progress, as_of), saved=saved)
    checks = [as_of + canary.check_every, *check.week_ends]
    if verdict.leaving:
        return _leave(trial, check, progress, checks[0])
    further = next_transition(trial, check.rollout)
    if further is not None and trial.is_due(check.rollout, as_of):
        reason = f"no harm is shown; {further.share:.0%} of entities in each arm"
        return NextAction(
            action=ReleaseAction.CANARY,
            summary=reason,
            effect=StageChange(
                origin=trial.admission,
                transition=further,
                findings=findings,
                reason=reason,
            ),
            next_check=checks[0],
            progress=progress,
        )
    if further is not None:
        checks.append(trial.since + canary.stage_duration)
    return NextAction(
        action=ReleaseAction.WAITING,
        summary=f"{verdict.weeks} of {verdict.planned_weeks} weeks have matured; "
        f"checks that have not passed yet: {len(verdict.reasons)}{_left_text(state, trial)}",
        next_check=min(at for at in checks if at > as_of),
        progress=progress,
    )


def _left_text(state: ReleaseState, trial: Trial) -> str:
    """Which segments left the canary, and since when they count in no finding."""
    ramp = state.ramp(trial.transition.salt)
    left = [
        f"; {ramp.apart_column} {value} left on {since:%Y-%m-%d} and has not counted since"
        for value, since in ramp.apart_since.items()
        if since > ramp.began
    ]
    return "".join(left)


def _leave(
    trial: Trial, check: CanaryCheck, progress: Progress, next_check: datetime
) -> NextAction:
    """Take the entities of harmed segments out of the arms; the others go on."""
    column, leaving = check.rollout.canary.segment_column, check.verdict.leaving
    named = segment_words(column, leaving)
    reason = f"{named}: harm is shown, so it leaves the canary: {'; '.join(check.verdict.reasons)}"
    return NextAction(
        action=ReleaseAction.SEGMENT_LEFT,
        summary=reason,
        effect=StageChange(
            origin=trial.admission,
            transition=without_segments(trial, column, leaving),
            findings=tuple(
                one.model_copy(update={"blocking": False}) if one.verdict is Verdict.FAIL else one
                for one in progress.findings
            ),
            reason=reason,
            leaves=True,
        ),
        next_check=next_check,
        progress=progress,
    )


def _pooled_findings(check: CanaryCheck) -> tuple[Finding, ...]:
    """Whether refreshing pays, with this canary once it ends; nothing if it is not pooled."""
    if check.pooled is None:
        return ()
    ended = check.verdict.step.ends
    return ((check.pooled.after(check.gain) if ended else check.pooled).finding,)


def _promote(
    state: ReleaseState, trial: Trial, check: CanaryCheck, as_of: datetime, progress: Progress
) -> NextAction:
    """Let the policy judge all findings, offline and live, for all entities or for segments.

    If the declaration requires an approval, a person gave it before the trial.
    """
    admission = trial.admission
    if admission.facts is None or check.budget is None:
        raise ValueError("a promotion needs the facts of the admission, and the error budget")
    column, gaining = check.rollout.canary.segment_column, check.verdict.gaining
    stage = Stage.PROMOTED_FOR_SEGMENTS if gaining else Stage.PROMOTED
    facts = admission.facts.model_copy(
        update={
            "run": f"{admission.run}.{stage}",
            "segments": gaining,
            "segment_column": column if gaining else "",
            "segment_champions": state.segment_champions,
            "rollout": "complete",
            "review": "none",
            "active_challenger": None,
        }
    )
    offline = tuple(one for one in admission.findings if one.gate is not Gate.BUDGET)
    inputs = DecisionInput(
        model=state.model,
        as_of=as_of,
        facts=facts,
        findings=(*offline, *progress.findings),
        spec=admission.spec,
        recipe=admission.recipe,
        snapshot=admission.snapshot,
        trained=admission.trained,
        budget=check.budget,
        transition=final_transition(trial, stage, progress.gain),
        segments=SegmentChange(column=column, values=gaining, version=trial.challenger)
        if gaining
        else None,
    )
    whose = f" of {segment_words(column, gaining)}" if gaining else ""
    return NextAction(
        action=ReleaseAction.PROMOTED,
        summary=f"version {trial.challenger} is champion{whose}: {check.verdict.reasons[0]}",
        effect=Promotion(inputs),
        next_check=as_of,
        progress=progress,
        saved={f"{trial.run}.{stage}": check.evidence},
    )


def end_trial(
    state: ReleaseState, trial: Trial, reason: str, progress: Progress, as_of: datetime
) -> NextAction:
    """Take the challenger off live traffic at once; the champion stays.

    Arguments:
        state: the release state from the ledger.
        trial: the trial to end.
        reason: why, in one sentence.
        progress: the measurements so far; their findings are recorded in the ledger.
        as_of: the as-of instant of the evidence.
    """
    return NextAction(
        action=ReleaseAction.ENDED,
        summary=f"version {trial.challenger}: {reason}",
        effect=StageChange(
            origin=trial.admission,
            transition=final_transition(trial, Stage.ENDED, progress.gain),
            findings=progress.findings,
            reason=reason,
        ),
        next_check=None if state.next_challenger is None else as_of,
        progress=progress,
    )
