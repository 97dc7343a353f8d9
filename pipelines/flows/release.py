"""Release: one step of a challenger's way through live traffic.

``advance`` makes at most one legal move and may be asked at any time, as often as one likes, by
any number of processes: the ledger takes each move once. Whatever a killed process left undone, an
alias behind the ledger, is finished before anything is judged.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from pipelines.core.errors import Busy, TimeError
from pipelines.core.records import Record
from pipelines.core.time import instant_text
from pipelines.core.verdict import Finding, Gate, Verdict, overall
from pipelines.flows.incumbent import Incumbent, load_version
from pipelines.flows.live_evidence import canary_evidence, matured_until, rollout_of
from pipelines.flows.live_log import ramp_of
from pipelines.flows.live_shadow import shadow_evidence
from pipelines.flows.release_report import Act, ReleaseReport, keep_evidence, report
from pipelines.flows.review import SHORTEST, answer_review
from pipelines.flows.run import Parts
from pipelines.flows.watch import watch
from pipelines.release.budget import EXHAUSTED, budget_findings, budget_year, is_refresh, paid_level
from pipelines.release.canary import CanaryStep, CanaryVerdict, judge_canary
from pipelines.release.ledger import LIVE, Entry
from pipelines.release.policy import Outcome
from pipelines.release.promotion import Dossier, promote
from pipelines.release.reconciliation import reconcile
from pipelines.release.rollout import (
    Trial,
    first_move,
    holdback,
    holdback_move,
    is_due,
    last_move,
    next_move,
    record_move,
    show,
    trial,
    unwatched,
    waiting,
)
from pipelines.release.shadow import judge_shadow
from pipelines.release.trial import Stage
from pipelines.release.versions import OUTCOME
from pipelines.serving.arms import Allocation
from pipelines.spec.rollout import Rollout

APPROVAL = "gauntlet.approval"  # a person sets it in MLflow, to the evidence that he saw
PATIENCE = 2  # times its length that a shadow may take to be told
_DAY = timedelta(days=1)
_ENDS = {
    CanaryStep.ROLL_BACK: "harm is shown, rolled back",
    CanaryStep.VOID: "void",
    CanaryStep.STOP_INCONCLUSIVE: "inconclusive, which is no promotion",
}


def advance(model: str, as_of: datetime, parts: Parts) -> ReleaseReport:
    """One step of the release of a model: at most one legal move, recorded in the ledger.

    Arguments:
        model: its name.
        as_of: zoned, not in the future; nothing that was known later is looked at.
        parts: the collaborators.

    Raises:
        TimeError: as-of lies in the future.
        DataError: log or streams contradict their declaration.
        Superseded: somebody else moved meanwhile; running again is safe.
        Busy: a retraining of this model decides just now; only a promotion waits for it.
        Unavailable: ledger, registry or store did not answer; running again is safe.
    """
    now = parts.clock.now()
    if as_of > now:
        raise TimeError(
            "as-of lies in the future",
            where=f"release of {model}",
            got=instant_text(as_of),
            wanted=f"at most the present, {instant_text(now)}",
        )
    _finish(model, parts)
    chain = parts.ledger.entries(model)
    step = _Step(model, as_of, parts, chain)
    if standing := trial(chain):
        return step.on_trial(standing)
    if promotion := unwatched(chain):
        report = step.begin_holdback(promotion)
        if report is not None:
            return report
    if watched := holdback(chain):
        return watch(watched, as_of, parts, chain)
    if question := waiting(chain):
        return step.begin(question)
    return step.idle()


def _finish(model: str, parts: Parts) -> None:
    """Bring both aliases to where the ledger says."""
    try:
        with parts.lock(model, LIVE):
            reconcile(model, parts.ledger, parts.registry, parts.clock)
    except Busy:
        pass  # whoever holds it reconciles by himself before he decides
    show(model, parts.ledger, parts.registry)


class _Step:
    """One step, from the ledger as it was read."""

    def __init__(self, model: str, as_of: datetime, parts: Parts, chain: tuple[Entry, ...]) -> None:
        self.model, self.as_of, self.parts, self.chain = model, as_of, parts, chain

    def on_trial(self, standing: Trial) -> ReleaseReport:
        """Whatever stands in shadow or canary."""
        if standing.void:
            why = f"void: champion {standing.champion} was replaced while it was measured against"
            return self._end(standing, (), why)
        if self.as_of < standing.since:
            return self.told(
                Act.WAITS,
                f"as of {instant_text(self.as_of)} this stage had not begun",
                next_look=standing.since,
            )
        version = self._version(standing.challenger)
        if standing.move.stage is Stage.SHADOW:
            return self._shadow(standing, version)
        return self._canary(standing, version)

    def begin(self, question: Entry) -> ReleaseReport:
        """Nobody is on trial and somebody waits: into shadow."""
        assert question.candidate is not None
        rollout = rollout_of(self._version(question.candidate))
        move = first_move(question, rollout)
        why = f"every offline gate passed; {move.shadow_share:.0%} of requests in shadow"
        record_move(question, move, (), why, self.parts.ledger, self.as_of)
        self._show()
        return self.told(
            Act.SHADOW,
            f"version {question.candidate} answers {move.shadow_share:.0%} of requests in shadow",
            next_look=self.as_of + rollout.shadow.length,
        )

    def begin_holdback(self, promotion: Entry) -> ReleaseReport | None:
        """After a promotion: a share of entities goes back to the former champion, to compare."""
        assert promotion.champion_after is not None
        canary = rollout_of(self._version(promotion.champion_after)).canary
        if not canary.holdback or promotion.champion_before is None:
            return None
        move = holdback_move(promotion, rollout_of(self._version(promotion.champion_after)))
        why = f"the former champion answers {move.share:.0%} of entities, to measure the gain"
        record_move(promotion, move, (), why, self.parts.ledger, self.as_of)
        self._show()
        return self.told(Act.HOLDBACK, why, next_look=self.as_of + canary.check)

    def idle(self) -> ReleaseReport:
        """Nobody is on trial or waits to be; perhaps somebody waits for a person."""
        champion = self.chain[-1].champion_after if self.chain else None
        asked = [
            entry
            for entry in self.chain
            if entry.outcome == Outcome.AWAIT_REVIEW and entry.champion_after == champion
        ]
        answered = {
            entry.run
            for entry in self.chain
            if entry.decision and entry.kind != "peek" and entry.outcome != Outcome.AWAIT_REVIEW
        }
        open_ = [entry for entry in asked if entry.run not in answered]
        if not open_:
            return self.told(Act.NOTHING, "nobody is on trial, and nobody waits to be")
        return self._review(open_[-1])

    def _review(self, entry: Entry) -> ReleaseReport:
        assert entry.decision is not None
        version, evidence = str(entry.candidate), entry.decision.evidence
        tag = self.parts.registry.tags(self.model, version).get(APPROVAL, "").strip()
        if tag and len(tag) >= SHORTEST and evidence.startswith(tag):
            answer = answer_review(
                self.parts,
                self.model,
                version,
                by=f"the tag {APPROVAL} in MLflow",
                evidence=tag,
                approved=True,
            )
            return self.told(
                Act.APPROVED,
                f"version {version} was approved in MLflow: {'; '.join(answer.reasons)}",
                next_look=self.as_of,
            )
        other = f"; the tag {APPROVAL} is {tag}, which is other evidence" if tag else ""
        return self.told(
            Act.AWAITS_PERSON,
            f"version {version} waits for a person, for evidence {evidence}{other}",
            do=f"read its page in MLflow, then set its tag {APPROVAL} to {evidence}, or "
            f"`gauntlet approve {self.model} {version} --by WHO --evidence {evidence[:12]}` "
            "(--refuse)",
            next_look=self.as_of + timedelta(hours=1),
        )

    def _shadow(self, standing: Trial, version: Incumbent) -> ReleaseReport:
        rollout = rollout_of(version)
        allocation = Allocation(salt=standing.move.salt, shadow_share=standing.move.shadow_share)
        evidence = shadow_evidence(
            self.parts,
            version,
            allocation,
            standing.since,
            self.as_of,
            champion=standing.champion,
        )
        findings = judge_shadow(evidence, rollout.shadow)
        ends = standing.since + rollout.shadow.length
        again = self.as_of + rollout.canary.check
        if not is_due(standing, rollout, self.as_of):
            return self.told(
                Act.WAITS,
                f"in shadow until {instant_text(ends)}",
                findings=findings,
                next_look=min(ends, again),
            )
        verdict = overall(findings)
        against = ", ".join(f.name for f in findings if f.blocking and f.verdict != Verdict.PASS)
        if verdict is Verdict.PASS:
            self._keep(standing, Stage.SHADOW, evidence)
            return self._begin_canary(standing, rollout, findings)
        patience = standing.since + PATIENCE * rollout.shadow.length
        if verdict is Verdict.FAIL or self.as_of >= patience:
            self._keep(standing, Stage.SHADOW, evidence)
            return self._end(standing, findings, f"shadow: {verdict} because of {against}")
        return self.told(
            Act.WAITS,
            f"shadow cannot be told yet ({against}); it ends at {instant_text(patience)}",
            findings=findings,
            next_look=min(patience, again),
        )

    def _begin_canary(
        self, standing: Trial, rollout: Rollout, findings: tuple[Finding, ...]
    ) -> ReleaseReport:
        """From shadow on, a try of the year is paid."""
        question, move = standing.question, next_move(standing, rollout)
        assert move is not None
        declared = self.parts.load_spec(self.model).gates.budget
        now = max(self.parts.clock.now(), self.chain[-1].recorded_at)
        run, year = f"{question.run}.{move.stage}.{move.step}", budget_year(LIVE, self.as_of, now)
        paid = budget_findings(self.chain, declared, year, run, question.findings)
        facts = question.facts
        waived = facts is not None and EXHAUSTED in facts.waived and bool(facts.reason.strip())
        if any(one.name == EXHAUSTED for one in paid) and not waived:
            return self.told(
                Act.HELD,
                f"shadow passed, and the tries of {year} are used up: no canary until {year + 1}",
                findings=(*findings, *paid),
                do="leave it in shadow until then; or declare more under gates.budget; or train it "
                f"again with --waive {EXHAUSTED} --reason WHY, and answer for it",
                next_look=self.as_of + _DAY,
            )
        price = tuple(one for one in paid if one.name != EXHAUSTED)
        why = f"shadow passed; {move.share:.0%} of entities in each arm"
        record_move(question, move, (*findings, *price), why, self.parts.ledger, self.as_of)
        return self.told(
            Act.CANARY,
            f"version {move.challenger} answers {move.share:.0%} of entities beside as many of "
            "the champion",
            findings=(*findings, *price),
            next_look=self.as_of + rollout.canary.check,
        )

    def _canary(self, standing: Trial, version: Incumbent) -> ReleaseReport:
        rollout, question = rollout_of(version), standing.question
        ramp = ramp_of(self.chain, standing.move.salt)
        shown = canary_evidence(self.parts, version, ramp, self.as_of, beside=standing.champion)
        gate = version.spec.gates.budget
        refresh = is_refresh(question.findings)
        verdict = judge_canary(
            shown.evidence,
            rollout,
            paid_level(self.chain, f"{question.run}.{Stage.CANARY}.0"),
            margin=gate.margin * rollout.canary.outcome.minimum_effect if refresh else 0.0,
            served=shown.served,
        )
        facts: dict[str, Any] = {
            "findings": verdict.findings,
            "looks": verdict.looks,
            "weeks": verdict.weeks,
            "of_weeks": rollout.canary.weeks,
            "planned_looks": rollout.canary.looks,
        }
        if verdict.step.ends:
            ended = Stage.PROMOTED if verdict.step is CanaryStep.PROMOTE else Stage.ENDED
            self._keep(standing, ended, shown.evidence)
        if verdict.step is CanaryStep.PROMOTE:
            return self._promote(standing, verdict, facts)
        if verdict.step.ends:
            why = f"{_ENDS[verdict.step]}: {'; '.join(verdict.reasons)}"
            return self._end(standing, verdict.findings, why, **facts)
        awaited = [
            self.as_of + rollout.canary.check,
            *(
                matured_until(version.spec, ramp.began, week)
                for week in range(verdict.weeks + 1, rollout.canary.weeks + 1)
            ),
        ]
        further = next_move(standing, rollout)
        if further is not None and is_due(standing, rollout, self.as_of):
            why = f"no harm is shown; {further.share:.0%} of entities in each arm"
            record_move(question, further, verdict.findings, why, self.parts.ledger, self.as_of)
            return self.told(Act.CANARY, why, next_look=awaited[0], **facts)
        if further is not None:
            awaited.append(standing.since + rollout.canary.stage)
        return self.told(
            Act.WAITS,
            f"{verdict.weeks} of {rollout.canary.weeks} weeks have matured; open: "
            + "; ".join(verdict.reasons),
            next_look=min(at for at in awaited if at > self.as_of),
            **facts,
        )

    def _promote(
        self, standing: Trial, verdict: CanaryVerdict, told: dict[str, Any]
    ) -> ReleaseReport:
        """By the policy, from what was found offline and live; a person was asked before."""
        question = standing.question
        assert question.facts is not None
        run = f"{question.run}.{Stage.PROMOTED}"
        facts = question.facts.model_copy(
            update={"run": run, "trial": "done", "review": "none", "on_trial": None}
        )
        before = tuple(one for one in question.findings if one.gate is not Gate.BUDGET)
        dossier = Dossier(
            model=self.model,
            as_of=self.as_of,
            facts=facts,
            findings=(*before, *verdict.findings),
            spec=question.spec,
            recipe=question.recipe,
            snapshot=question.snapshot,
            budget=self.parts.load_spec(self.model).gates.budget,
            move=last_move(standing, Stage.PROMOTED),
        )
        with self.parts.lock(self.model, LIVE):
            entry = promote(dossier, self.parts.ledger, self.parts.registry, self.parts.clock)
        if not entry.moves:
            return self._end(standing, verdict.findings, f"not promoted: {entry.reasons[0]}")
        self._show()
        self.parts.registry.tag(self.model, standing.challenger, OUTCOME, entry.outcome)
        return self.told(
            Act.PROMOTED,
            f"version {standing.challenger} is champion: {verdict.reasons[0]}",
            next_look=self.as_of,
            **told,
        )

    def _end(
        self, standing: Trial, findings: tuple[Finding, ...], why: str, **told: Any
    ) -> ReleaseReport:
        """Off live traffic at once; the champion is untouched."""
        move = last_move(standing, Stage.ENDED)
        ledger = self.parts.ledger
        record_move(standing.question, move, findings, why, ledger, self.as_of)
        self._show()
        told = {"findings": findings, **told}
        more = waiting(ledger.entries(self.model)) is not None
        return self.told(
            Act.ENDED,
            f"version {standing.challenger}: {why}",
            next_look=self.as_of if more else None,
            **told,
        )

    def told(self, act: Act, summary: str, **more: Any) -> ReleaseReport:
        """The report, with what stands now."""
        return report(self.model, self.as_of, self.parts, act, summary, **more)

    def _keep(self, standing: Trial, stage: Stage, evidence: Record) -> None:
        keep_evidence(self.parts, self.model, f"{standing.run}.{stage}", evidence)

    def _show(self) -> None:
        show(self.model, self.parts.ledger, self.parts.registry)

    def _version(self, number: str) -> Incumbent:
        return load_version(self.parts, self.parts.registry.get(self.model, number))
