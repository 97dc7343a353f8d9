"""A challenger on trial: what shadow and canary have shown, and the move that follows."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from pipelines.core.findings import Finding, Gate, Verdict, overall
from pipelines.core.records import Record
from pipelines.core.time import instant_text
from pipelines.flows.collaborators import Parts
from pipelines.flows.release.report import ReleaseAction, ReleaseReport, report, save_evidence
from pipelines.gates.budget.findings import EXHAUSTED
from pipelines.gates.canary.evidence import canary_evidence, declared_rollout, maturity_time
from pipelines.gates.canary.verdict import CanaryStep, CanaryVerdict, judge_canary
from pipelines.gates.shadow.evidence import shadow_evidence
from pipelines.gates.shadow.findings import judge_shadow
from pipelines.packaging.version import ModelVersion
from pipelines.predictions.assignment import Allocation
from pipelines.release.budget import (
    budget_findings,
    budget_year,
    charged_level,
    is_refresh,
)
from pipelines.release.ledger import LIVE, Entry
from pipelines.release.promotion import DecisionInput, promote
from pipelines.release.rollout.state import (
    Trial,
    final_transition,
    is_due,
    next_transition,
    ramp_of,
    record_transition,
    sync_challenger_alias,
    waiting,
)
from pipelines.release.rollout.transition import Stage
from pipelines.release.version_facts import OUTCOME
from pipelines.spec.rollout import Rollout

PATIENCE = 2  # times its length that a shadow may take to be told
_DAY = timedelta(days=1)
_ENDS = {
    CanaryStep.ROLL_BACK: "harm is shown, rolled back",
    CanaryStep.VOID: "void",
    CanaryStep.STOP_INCONCLUSIVE: "inconclusive, which is no promotion",
}


def advance_trial(
    standing: Trial, as_of: datetime, parts: Parts, chain: tuple[Entry, ...]
) -> ReleaseReport:
    """One step of a trial.

    Arguments:
        standing: what the chain says.
        chain: the ledger as it was read.
    """
    return _Step(standing, as_of, parts, chain).take()


class _Step:
    def __init__(
        self, standing: Trial, as_of: datetime, parts: Parts, chain: tuple[Entry, ...]
    ) -> None:
        self.standing, self.as_of, self.parts, self.chain = standing, as_of, parts, chain
        self.model = standing.model

    def take(self) -> ReleaseReport:
        """Whatever stands in shadow or canary."""
        standing = self.standing
        if standing.void:
            why = f"void: champion {standing.champion} was replaced while it was measured against"
            return self._end(why)
        if self.as_of < standing.since:
            return self.told(
                ReleaseAction.WAITS,
                f"as of {instant_text(self.as_of)} this stage had not begun",
                next_look=standing.since,
            )
        version = self.parts.versions.load(self.model, standing.challenger)
        if standing.transition.stage is Stage.SHADOW:
            return self._shadow(version)
        return self._canary(version)

    def _shadow(self, version: ModelVersion) -> ReleaseReport:
        standing = self.standing
        rollout = declared_rollout(version)
        allocation = Allocation(
            salt=standing.transition.salt, shadow_share=standing.transition.shadow_share
        )
        evidence = shadow_evidence(
            self.parts.open_events(version.spec),
            version,
            allocation,
            standing.since,
            self.as_of,
            champion=standing.champion,
        )
        findings = judge_shadow(evidence, rollout.shadow)
        ends = standing.since + rollout.shadow.duration
        again = self.as_of + rollout.canary.check_every
        if not is_due(standing, rollout, self.as_of):
            return self.told(
                ReleaseAction.WAITS,
                f"in shadow until {instant_text(ends)}",
                findings=findings,
                next_look=ends,
            )
        verdict = overall(findings)
        against = ", ".join(f.name for f in findings if f.blocking and f.verdict != Verdict.PASS)
        if verdict is Verdict.PASS:
            self._keep(Stage.SHADOW, evidence)
            return self._begin_canary(rollout, findings)
        patience = standing.since + PATIENCE * rollout.shadow.duration
        if verdict is Verdict.FAIL or self.as_of >= patience:
            self._keep(Stage.SHADOW, evidence)
            return self._end(f"shadow: {verdict} because of {against}", findings=findings)
        return self.told(
            ReleaseAction.WAITS,
            f"shadow cannot be told yet ({against}); it ends at {instant_text(patience)}",
            findings=findings,
            next_look=min(patience, again),
        )

    def _begin_canary(self, rollout: Rollout, findings: tuple[Finding, ...]) -> ReleaseReport:
        """From here on, a try of the year is paid."""
        standing = self.standing
        question, move = standing.question, next_transition(standing, rollout)
        assert move is not None
        declared = self.parts.load_spec(self.model).gates.budget
        now = max(self.parts.clock.now(), self.chain[-1].recorded_at)
        run, year = f"{question.run}.{move.stage}.{move.step}", budget_year(LIVE, self.as_of, now)
        paid = budget_findings(self.chain, declared, year, run, question.findings)
        facts = question.facts
        waived = facts is not None and EXHAUSTED in facts.waived and bool(facts.reason.strip())
        if any(one.name == EXHAUSTED for one in paid) and not waived:
            return self.told(
                ReleaseAction.HELD,
                f"shadow passed, and the tries of {year} are used up: no canary until {year + 1}",
                findings=(*findings, *paid),
                next_step="leave it in shadow until then; or declare more under gates.budget; or "
                f"train it again with --waive {EXHAUSTED} --reason WHY, and answer for it",
                next_look=self.as_of + _DAY,
            )
        price = tuple(one for one in paid if one.name != EXHAUSTED)
        why = f"shadow passed; {move.share:.0%} of entities in each arm"
        record_transition(question, move, (*findings, *price), why, self.parts.ledger, self.as_of)
        return self.told(
            ReleaseAction.CANARY,
            f"version {move.challenger} answers {move.share:.0%} of entities beside as many of "
            "the champion",
            findings=(*findings, *price),
            next_look=self.as_of + rollout.canary.check_every,
        )

    def _canary(self, version: ModelVersion) -> ReleaseReport:
        standing = self.standing
        rollout, question = declared_rollout(version), standing.question
        ramp = ramp_of(self.chain, standing.transition.salt)
        shown = canary_evidence(
            self.parts.open_events(version.spec),
            version,
            ramp,
            self.as_of,
            other_version=standing.champion,
        )
        gate = version.spec.gates.budget
        refresh = is_refresh(question.findings)
        verdict = judge_canary(
            shown.evidence,
            rollout,
            charged_level(self.chain, f"{question.run}.{Stage.CANARY}.0"),
            margin=gate.margin * rollout.canary.outcome.minimum_effect if refresh else 0.0,
            assignment=shown.assignment,
        )
        facts: dict[str, Any] = {
            "findings": verdict.findings,
            "looks": verdict.looks,
            "weeks": verdict.weeks,
            "planned_weeks": rollout.canary.weeks,
            "planned_looks": rollout.canary.looks,
        }
        if verdict.step.ends:
            ended = Stage.PROMOTED if verdict.step is CanaryStep.PROMOTE else Stage.ENDED
            self._keep(ended, shown.evidence)
        if verdict.step is CanaryStep.PROMOTE:
            return self._promote(verdict, facts)
        if verdict.step.ends:
            why = f"{_ENDS[verdict.step]}: {'; '.join(verdict.reasons)}"
            return self._end(why, **facts)
        awaited = [
            self.as_of + rollout.canary.check_every,
            *(
                maturity_time(version.spec, ramp.began, week)
                for week in range(verdict.weeks + 1, rollout.canary.weeks + 1)
            ),
        ]
        further = next_transition(standing, rollout)
        if further is not None and is_due(standing, rollout, self.as_of):
            why = f"no harm is shown; {further.share:.0%} of entities in each arm"
            record_transition(
                question, further, verdict.findings, why, self.parts.ledger, self.as_of
            )
            return self.told(ReleaseAction.CANARY, why, next_look=awaited[0], **facts)
        if further is not None:
            awaited.append(standing.since + rollout.canary.stage_duration)
        return self.told(
            ReleaseAction.WAITS,
            f"{verdict.weeks} of {rollout.canary.weeks} weeks have matured; open: "
            + "; ".join(verdict.reasons),
            next_look=min(at for at in awaited if at > self.as_of),
            **facts,
        )

    def _promote(self, verdict: CanaryVerdict, told: dict[str, Any]) -> ReleaseReport:
        """By the policy, from what was found offline and live; a person was asked before."""
        standing, question = self.standing, self.standing.question
        assert question.facts is not None
        run = f"{question.run}.{Stage.PROMOTED}"
        facts = question.facts.model_copy(
            update={"run": run, "rollout": "complete", "review": "none", "active_challenger": None}
        )
        before = tuple(one for one in question.findings if one.gate is not Gate.BUDGET)
        inputs = DecisionInput(
            model=self.model,
            as_of=self.as_of,
            facts=facts,
            findings=(*before, *verdict.findings),
            spec=question.spec,
            recipe=question.recipe,
            snapshot=question.snapshot,
            budget=self.parts.load_spec(self.model).gates.budget,
            transition=final_transition(standing, Stage.PROMOTED),
        )
        with self.parts.lock(self.model, LIVE):
            entry = promote(inputs, self.parts.ledger, self.parts.registry, self.parts.clock)
        if not entry.moves:
            return self._end(f"not promoted: {entry.reasons[0]}", **told)
        self._show()
        self.parts.registry.tag(self.model, standing.challenger, OUTCOME, entry.outcome)
        return self.told(
            ReleaseAction.PROMOTED,
            f"version {standing.challenger} is champion: {verdict.reasons[0]}",
            next_look=self.as_of,
            **told,
        )

    def _end(self, why: str, findings: tuple[Finding, ...] = (), **told: Any) -> ReleaseReport:
        """Off live traffic at once; the champion is untouched."""
        standing, ledger = self.standing, self.parts.ledger
        move = final_transition(standing, Stage.ENDED)
        record_transition(standing.question, move, findings, why, ledger, self.as_of)
        self._show()
        more = waiting(ledger.entries(self.model)) is not None
        return self.told(
            ReleaseAction.ENDED,
            f"version {standing.challenger}: {why}",
            next_look=self.as_of if more else None,
            findings=findings,
            **told,
        )

    def _keep(self, stage: Stage, evidence: Record) -> None:
        save_evidence(self.parts, self.model, f"{self.standing.run}.{stage}", evidence)

    def _show(self) -> None:
        sync_challenger_alias(self.model, self.parts.ledger, self.parts.registry)

    def told(self, act: ReleaseAction, summary: str, **more: Any) -> ReleaseReport:
        """The report, with what stands now."""
        return report(self.model, self.as_of, self.parts, act, summary, **more)
