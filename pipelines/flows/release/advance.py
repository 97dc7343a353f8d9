"""Release: one step of a challenger's way through live traffic.

``advance`` makes at most one legal move and may be asked at any time, as often as one likes, by
any number of processes: the ledger takes each move once. Whatever a killed process left undone, an
alias behind the ledger, is finished before anything is judged.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from pipelines.core.errors import LockedError
from pipelines.core.time import instant_text, refuse_future
from pipelines.flows.collaborators import Parts
from pipelines.flows.release.approval import APPROVAL, answer_review, approval_tag, matches_evidence
from pipelines.flows.release.holdback import advance_holdback
from pipelines.flows.release.pages import update_model_pages
from pipelines.flows.release.report import ReleaseAction, ReleaseReport, report
from pipelines.flows.release.trial import advance_trial
from pipelines.gates.canary.evidence import declared_rollout
from pipelines.packaging.version import ModelVersion
from pipelines.release.ledger import LIVE, Entry
from pipelines.release.reconciliation import reconcile
from pipelines.release.rollout.state import (
    holdback,
    holdback_transition,
    record_transition,
    shadow_transition,
    sync_challenger_alias,
    trial,
    unwatched,
    waiting,
)
from pipelines.reporting.approval_page import pending_entry


def advance(model: str, as_of: datetime, parts: Parts) -> ReleaseReport:
    """One step of the release of a model: at most one legal move, recorded in the ledger.

    Arguments:
        model: its name.
        as_of: zoned, not in the future; nothing that was known later is looked at.
        parts: the collaborators.

    Raises:
        SpecError: nothing stands on live traffic, and no such model is declared.
        TimeError: as-of lies in the future.
        DataError: log or streams contradict their declaration.
        StaleEvidenceError: somebody else moved meanwhile; running again is safe.
        LockedError: a retraining of this model decides just now; only a promotion waits for it.
        Unavailable: ledger, registry or store did not answer; running again is safe.
    """
    told = _step(model, as_of, parts)
    update_model_pages(model, parts, told)
    return told


def _step(model: str, as_of: datetime, parts: Parts) -> ReleaseReport:
    refuse_future(as_of, parts.clock.now(), f"release of {model}")
    surprise = _finish(model, parts)
    told = _moved(model, as_of, parts)
    return told.model_copy(update={"summary": f"{surprise}{told.summary}"})


def _moved(model: str, as_of: datetime, parts: Parts) -> ReleaseReport:
    chain = parts.ledger.entries(model)
    if standing := trial(chain):
        return advance_trial(standing, as_of, parts, chain)
    step = _Step(model, as_of, parts, chain)
    if promotion := unwatched(chain):
        report = step.begin_holdback(promotion)
        if report is not None:
            return report
    if watched := holdback(chain):
        return advance_holdback(watched, as_of, parts, chain)
    if question := waiting(chain):
        return step.begin(question)
    return step.idle()


def _finish(model: str, parts: Parts) -> str:
    """Bring both aliases, and what the registry shows, to where the ledger says.

    Returns: what a person has to be told of it; else nothing.
    """
    told = ""
    try:
        with parts.lock(model, LIVE):
            found = reconcile(model, parts.ledger, parts.registry, parts.clock)
        told = "" if found.action == "agree" else f"{found.summary}; "
    except LockedError:
        pass  # whoever holds it reconciles by himself before he decides
    sync_challenger_alias(model, parts.ledger, parts.registry)
    update_model_pages(model, parts)
    return told


class _Step:
    """One step, from the ledger as it was read."""

    def __init__(self, model: str, as_of: datetime, parts: Parts, chain: tuple[Entry, ...]) -> None:
        self.model, self.as_of, self.parts, self.chain = model, as_of, parts, chain

    def begin(self, question: Entry) -> ReleaseReport:
        """Nobody is on trial and somebody waits: into shadow."""
        assert question.candidate is not None
        if self.as_of < question.as_of:
            return self._early(question)
        rollout = declared_rollout(self._version(question.candidate))
        move = shadow_transition(question, rollout)
        why = f"every offline gate passed; {move.shadow_share:.0%} of requests in shadow"
        record_transition(question, move, (), why, self.parts.ledger, self.as_of)
        self._show()
        return self.told(
            ReleaseAction.SHADOW,
            f"version {question.candidate} answers {move.shadow_share:.0%} of requests in shadow",
            next_look=self.as_of + rollout.shadow.duration,
        )

    def begin_holdback(self, promotion: Entry) -> ReleaseReport | None:
        """After a promotion: a share of entities goes back to the former champion, to compare."""
        assert promotion.champion_after is not None
        if self.as_of < promotion.as_of:
            return self._early(promotion)
        canary = declared_rollout(self._version(promotion.champion_after)).canary
        if not canary.holdback or promotion.champion_before is None:
            return None
        move = holdback_transition(
            promotion, declared_rollout(self._version(promotion.champion_after))
        )
        why = f"the former champion answers {move.share:.0%} of entities, to measure the gain"
        record_transition(promotion, move, (), why, self.parts.ledger, self.as_of)
        self._show()
        return self.told(ReleaseAction.HOLDBACK, why, next_look=self.as_of + canary.check_every)

    def _early(self, decided: Entry) -> ReleaseReport:
        """What is to be followed was decided later than this step stands at."""
        return self.told(
            ReleaseAction.WAITS,
            f"as of {instant_text(self.as_of)} version {decided.candidate} had not come so far",
            next_look=decided.as_of,
        )

    def idle(self) -> ReleaseReport:
        """Nobody is on trial or waits to be; perhaps somebody waits for a person."""
        entry = pending_entry(self.chain)
        if entry is None:
            decides = self.parts.load_spec(self.model).rollout is not None
            return self.told(
                ReleaseAction.NOTHING,
                "nobody is on trial, and nobody waits to be",
                next_step=""
                if decides
                else "declare a `rollout`, if live traffic is to decide: without "
                "one whoever passes offline is champion at once",
            )
        return self._review(entry)

    def _review(self, entry: Entry) -> ReleaseReport:
        assert entry.decision is not None
        version, evidence = str(entry.candidate), entry.decision.evidence
        tag = approval_tag(self.parts, entry)
        if matches_evidence(evidence, tag):
            answer = answer_review(
                self.parts,
                self.model,
                version,
                by=f"the tag {APPROVAL} in MLflow",
                evidence=tag,
                approved=True,
            )
            return self.told(
                ReleaseAction.APPROVED,
                f"version {version} was approved in MLflow: {'; '.join(answer.reasons)}",
                next_look=self.as_of,
            )
        other = f"; the tag {APPROVAL} is {tag}, which is other evidence" if tag else ""
        return self.told(
            ReleaseAction.AWAITS_PERSON,
            f"version {version} waits for a person, for evidence {evidence}{other}",
            next_step=f"read its page in MLflow, then set its tag {APPROVAL} to {evidence}, or "
            f"`gauntlet approve {self.model} {version} --by WHO --evidence {evidence[:12]}` "
            "(--refuse)",
            next_look=self.as_of + timedelta(hours=1),
        )

    def told(self, act: ReleaseAction, summary: str, **more: Any) -> ReleaseReport:
        """The report, with what stands now."""
        return report(self.model, self.as_of, self.parts, act, summary, **more)

    def _show(self) -> None:
        sync_challenger_alias(self.model, self.parts.ledger, self.parts.registry)

    def _version(self, number: str) -> ModelVersion:
        return self.parts.versions.load(self.model, number)
