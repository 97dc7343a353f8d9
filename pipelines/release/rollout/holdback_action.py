"""The next action after a promotion: wait, keep it, or take it back."""

from __future__ import annotations

from datetime import datetime

from pipelines.core.errors import IntegrityError
from pipelines.core.records import Record
from pipelines.gates.canary.holdback import HoldbackStep, HoldbackVerdict
from pipelines.release.ledger import Entry
from pipelines.release.rollout.actions import NextAction, Progress, ReleaseAction, TakeBack
from pipelines.release.rollout.evidence import HoldbackCheck
from pipelines.release.rollout.recording import StageChange
from pipelines.release.rollout.stages import final_transition
from pipelines.release.rollout.state import Holdback
from pipelines.release.rollout.transition import Stage

GAIN = "canary.corrected_gain"


def holdback_action(holdback: Holdback, check: HoldbackCheck, as_of: datetime) -> NextAction:
    """Judge a promotion by its holdback and, once their outcomes have matured, the canary's arms.

    Harm in either one takes the promotion back at once. A gain smaller than the canary measured is
    only reported.

    Arguments:
        holdback: the current holdback.
        check: the evidence and verdicts of both.
        as_of: the as-of instant of the evidence.
    """
    verdicts = [one for one in (check.verdict, check.canary_verdict) if one is not None]
    weeks, canary = check.verdict.weeks, check.rollout.canary
    progress = Progress(
        findings=tuple(finding for one in verdicts for finding in one.findings),
        weeks=weeks,
        planned_weeks=canary.weeks,
    )
    saved = _saved(holdback, check)
    for verdict in verdicts:
        if verdict.step is HoldbackStep.ROLL_BACK:
            return _take_back(holdback, verdict, as_of, progress, saved)
    if check.verdict.step is HoldbackStep.CONTINUE:
        ends = [at for at in check.week_ends if at > as_of]
        return NextAction(
            action=ReleaseAction.WAITING,
            summary=f"{weeks} of {canary.weeks} weeks after the promotion have matured: "
            f"{check.verdict.reasons[0]}",
            next_check=min([as_of + canary.check_every, *ends]),
            progress=progress,
            saved=saved,
        )
    reason = f"{check.verdict.step}: {'; '.join(check.verdict.reasons)}"
    return NextAction(
        action=ReleaseAction.KEPT,
        summary=f"version {holdback.champion} stays champion: {reason}",
        effect=StageChange(
            origin=holdback.promotion,
            transition=final_transition(holdback, Stage.ENDED),
            findings=check.verdict.findings,
            reason=reason,
        ),
        next_check=as_of,
        progress=progress,
        saved=saved,
    )


def _take_back(
    holdback: Holdback,
    verdict: HoldbackVerdict,
    as_of: datetime,
    progress: Progress,
    saved: dict[str, Record],
) -> NextAction:
    reason = f"harm after the promotion: {'; '.join(verdict.reasons)}"
    promotion = holdback.promotion
    return NextAction(
        action=ReleaseAction.ROLLED_BACK,
        summary=f"version {holdback.former} is champion again: {reason}",
        effect=TakeBack(
            run=f"{promotion.run}.taken_back",
            to=holdback.former,
            reason=reason,
            recipe=promotion.recipe if promotion.lane == "refresh" else "",
        ),
        next_check=as_of,
        progress=progress,
        saved=saved,
    )


def _saved(holdback: Holdback, check: HoldbackCheck) -> dict[str, Record]:
    run = holdback.promotion.run
    saved: dict[str, Record] = {f"{run}.{Stage.HOLDBACK}": check.evidence}
    if check.canary_evidence is not None:
        saved[f"{run}.second"] = check.canary_evidence
    return saved


def promised_gain(promotion: Entry) -> float:
    """The gain that the canary measured, corrected for the bias of stopping at a win.

    Raises:
        IntegrityError: the promotion's entry does not hold it.
    """
    for finding in promotion.findings:
        if finding.name == GAIN and finding.value is not None:
            return finding.value
    raise IntegrityError(
        "a promotion's entry does not hold the gain that it was made for",
        where=f"ledger of {promotion.model}, entry {promotion.sequence}",
        wanted=f"the finding {GAIN}",
    )
