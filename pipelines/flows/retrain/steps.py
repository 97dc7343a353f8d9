"""Retraining: each step finds what it wrote before, or asks the step before it and does its part.

Any step can be run first, again, or after a crash: it ends where an undisturbed run would have.
Only ``register`` and ``decide`` change anything outside the run's own folder.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

from pipelines.core.findings import Finding, Verdict, overall
from pipelines.data.snapshot import Snapshot
from pipelines.flows.collaborators import Parts, Run, open_run
from pipelines.flows.frames import Frame, write_frame
from pipelines.flows.retrain.audit import Audited, audit_run
from pipelines.flows.retrain.availability import Available, look_for_features
from pipelines.flows.retrain.contract import Contract, hold_contract
from pipelines.flows.retrain.evaluate import judge
from pipelines.flows.retrain.register import describe, register
from pipelines.flows.retrain.request import LIVE, STEPS, Request, Step, StepReport
from pipelines.flows.retrain.step_reports import REPORTS
from pipelines.flows.retrain.train import Trained, train
from pipelines.flows.versions import load_incumbent
from pipelines.gates.recent_window.record import Evaluation
from pipelines.packaging.version import ModelVersion
from pipelines.release.ledger import Entry
from pipelines.release.policy import Decision, Facts
from pipelines.release.promotion import DecisionInput, DecisionResult, judge_dry_run, promote
from pipelines.release.reconciliation import reconcile
from pipelines.release.registry import VersionInfo
from pipelines.release.version_facts import OUTCOME
from pipelines.spec.combine import common_spec
from pipelines.spec.model import ModelSpec
from pipelines.training.split import SplitPlan, split_plan


@dataclass(frozen=True)
class Retraining:
    """The steps of one run, as values that are made once and read from then on."""

    run: Run

    @cached_property
    def incumbent(self) -> ModelVersion | None:
        """The champion, verified."""
        return load_incumbent(self.run)

    @cached_property
    def spec(self) -> ModelSpec:
        """The declaration that snapshot and frame follow: what both models need."""
        return common_spec(self.run.spec, self.incumbent.spec if self.incumbent else None)

    @property
    def plan(self) -> SplitPlan:
        """The windows of the run."""
        return split_plan(self.run.spec, self.run.request.as_of)

    @cached_property
    def snapshot(self) -> Snapshot:
        """The events that were known as of the run's instant."""
        parts = self.run.parts
        return self.run.workspace.once(
            "snapshot",
            Snapshot,
            lambda: parts.open_events(self.spec).snapshot(
                self.spec.streams, self.run.request.as_of
            ),
        )

    @cached_property
    def contract(self) -> Contract:
        """Fresh data against the hand-written suite and the champion's envelope."""
        return self.run.workspace.once(
            "contract",
            Contract,
            lambda: hold_contract(self.run, self.spec, self.snapshot, self.incumbent),
        )

    @cached_property
    def frame(self) -> Frame | None:
        """The frame; none when the contract is broken: broken data is never trained on."""
        if not self._passed(self.contract.findings):
            return None
        run = self.run
        return run.workspace.once(
            "features",
            Frame,
            lambda: write_frame(
                run.parts.open_events(self.spec),
                self.spec,
                self.snapshot,
                self.plan,
                run.workspace,
            ),
        )

    @cached_property
    def available(self) -> Available | None:
        """Parity and presence of the features in production; none without a sound frame."""
        frame = self.frame
        if frame is None or not self._passed(frame.findings):
            return None
        return self.run.workspace.once(
            "availability",
            Available,
            lambda: look_for_features(
                self.run, frame.plan, self.spec, self.snapshot, self.incumbent
            ),
        )

    @cached_property
    def trained(self) -> Trained | None:
        """The candidate; none when a gate before it did not pass."""
        frame, available = self.frame, self.available
        if frame is None or available is None:
            return None
        if self._hindered(available.findings):
            return None
        return self.run.workspace.once("train", Trained, lambda: train(self.run, frame.plan))

    @cached_property
    def evaluation(self) -> Evaluation | None:
        """The recent window's verdict; none without a candidate."""
        trained = self.trained
        if trained is None:
            return None
        return self.run.workspace.once(
            "evaluate",
            Evaluation,
            lambda: judge(self.run, self.plan, trained, self.incumbent),
        )

    @cached_property
    def audited(self) -> Audited | None:
        """The audit of a changed recipe; none without a candidate."""
        available = self.available
        if self.evaluation is None or available is None:
            return None
        return self.run.workspace.once(
            "audit",
            Audited,
            lambda: audit_run(
                self.run,
                self.plan,
                self.spec,
                self.snapshot,
                self.incumbent,
                available.unequal,
            ),
        )

    @cached_property
    def version(self) -> VersionInfo | None:
        """The registered version; none without a candidate, or in a dry run."""
        trained, evaluation = self.trained, self.evaluation
        if trained is None or evaluation is None or self.run.request.dry_run:
            return None
        if self.run.decided is not None:
            return self.run.version(self.run.decided.candidate)
        return register(
            self.run,
            self.plan,
            self.snapshot,
            trained,
            evaluation,
            self.gathered,
            self.audited,
            self.available,
        )

    @cached_property
    def judgement(self) -> DecisionResult:
        """What the policy makes of all findings; recorded, and of a dry run that it was seen."""
        run, request = self.run, self.run.request
        if run.decided is not None and run.decided.decision is not None:
            self._finish(run.decided, run.decided.decision)
            return DecisionResult(run.decided.decision, run.decided.findings)
        version = self.version
        standing = run.champion.version if run.champion else None
        inputs = DecisionInput(
            model=request.model,
            lineage=request.lineage,
            as_of=request.as_of,
            facts=Facts(
                run=run.id,
                candidate=version.version if version else None,
                content=version.content if version else "",
                champion=standing,
                champion_at_decision=standing,
                review=run.spec.review,
                dry_run=request.dry_run,
                rollout="pending" if run.spec.rollout else "none",
                waived=request.waive,
                reason=request.reason,
            ),
            findings=self.gathered,
            spec=run.spec.digest,
            recipe=run.spec.recipe,
            snapshot=self.snapshot.id,
            budget=run.spec.gates.budget,
        )
        if request.dry_run:
            return judge_dry_run(inputs, run.parts.ledger, run.parts.clock)
        entry = promote(inputs, run.parts.ledger, run.parts.registry, run.parts.clock)
        assert entry.decision is not None
        self._describe(entry, entry.decision)
        return DecisionResult(entry.decision, entry.findings)

    def _finish(self, entry: Entry, decision: Decision) -> None:
        """What a process that was killed after its decision left undone: the alias, the page."""
        run, parts = self.run, self.run.parts
        if run.request.dry_run:
            return
        if entry.lineage == LIVE:
            reconcile(entry.model, parts.ledger, parts.registry, parts.clock)
        if self.version is not None and self.version.tags.get(OUTCOME) != entry.outcome:
            self._describe(entry, decision)

    def _describe(self, entry: Entry, decision: Decision) -> None:
        if self.version is not None and self.evaluation is not None:
            describe(
                self.run,
                self.plan,
                self.snapshot,
                self.version,
                self.evaluation,
                findings=entry.findings,
                decision=decision,
                incumbent=self.incumbent,
                audited=self.audited,
            )

    @property
    def decision(self) -> Decision:
        """What became of the candidate."""
        return self.judgement.decision

    @property
    def findings(self) -> tuple[Finding, ...]:
        """Every finding that the decision was made from, in the order of the gates."""
        return self.judgement.findings

    @property
    def gathered(self) -> tuple[Finding, ...]:
        """What the steps before the decision found."""
        parts = (
            self.contract.findings,
            self.frame.findings if self.frame else (),
            self.available.findings if self.available else (),
            self.trained.findings if self.trained else (),
            self.evaluation.findings if self.evaluation else (),
            self.audited.findings if self.audited else (),
        )
        return tuple(finding for found in parts for finding in found)

    def _passed(self, findings: tuple[Finding, ...]) -> bool:
        """Whether the run may go on; waived findings are looked away from, with a reason."""
        waived = self.run.request.waived
        return overall(f for f in findings if f.name not in waived) is Verdict.PASS

    def _hindered(self, findings: tuple[Finding, ...]) -> bool:
        """Whether one of them holds the run up; a gate that had nothing to ask does not."""
        waived = self.run.request.waived
        return any(
            f.blocking and f.verdict is not Verdict.PASS for f in findings if f.name not in waived
        )


def run_step(step: Step, request: Request, parts: Parts) -> StepReport:
    """Do one step of a retraining, and whatever before it has not been done.

    Arguments:
        step: one of ``STEPS``.
        request: what is asked; equal requests are the same run.
        parts: the collaborators.

    Raises:
        LockedError: another run of this model and lineage is at work.
        GauntletError: named by what went wrong; running again is safe.
    """
    with parts.lock(request.model, request.lineage):
        retraining = Retraining(open_run(request, parts))
        return REPORTS[step](retraining)


def retrain(
    request: Request, parts: Parts, tell: Callable[[StepReport], None] = lambda _: None
) -> Retraining:
    """All steps in order; ``tell`` hears of each when it is done."""
    with parts.lock(request.model, request.lineage):
        retraining = Retraining(open_run(request, parts))
        for step in STEPS:
            tell(REPORTS[step](retraining))
        return retraining
