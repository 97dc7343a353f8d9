"""A person's answer to a version that awaits review, bound to the evidence that was seen."""

from __future__ import annotations

from pipelines.core.errors import GauntletError
from pipelines.flows.collaborators import Parts
from pipelines.release.ledger import Entry
from pipelines.release.policy import Approval, Outcome
from pipelines.release.promotion import DecisionInput, promote
from pipelines.release.rollout.state import holdback, trial, waiting
from pipelines.reporting.approval_page import ApprovalRequest, approval_request, pending_entry

APPROVAL = "gauntlet.approval"  # a person sets it in MLflow, to the evidence that he saw
SHORTEST = 8


def matches_evidence(evidence: str, said: str) -> bool:
    """Whether what a person said is this evidence, or at least its first 8 digits."""
    return len(said) >= SHORTEST and evidence.startswith(said)


def approval_tag(parts: Parts, entry: Entry) -> str:
    """What a person has said in MLflow about the version of an entry; "" for nothing."""
    tags = parts.registry.tags(entry.model, str(entry.candidate))
    return tags.get(APPROVAL, "").strip()


def pending_approval(model: str, parts: Parts) -> ApprovalRequest | None:
    """What a person has to be asked now, before a release can go on.

    Returns: None while somebody is on trial, watched, or may begin without a person; when nobody
        waits; and when the answer stands in MLflow already.
    """
    chain = parts.ledger.entries(model)
    if trial(chain) or holdback(chain) or waiting(chain):
        return None
    entry = pending_entry(chain)
    if entry is None or entry.decision is None:
        return None
    if matches_evidence(entry.decision.evidence, approval_tag(parts, entry)):
        return None
    return approval_request(chain, entry)


def answer_review(
    parts: Parts,
    model: str,
    version: str,
    *,
    by: str,
    evidence: str,
    approved: bool,
    note: str = "",
) -> Entry:
    """Judge the stored dossier again, with the approval. The same answer again changes nothing.

    Arguments:
        evidence: ``Decision.evidence`` or at least its first 8 digits, as the reviewer saw it.

    Raises:
        GauntletError: when the version does not await review, the evidence is another one, or
            the other answer was given before.
        StaleEvidenceError: when the champion changed since the evidence was gathered.
    """
    about = [one for one in parts.ledger.entries(model) if one.candidate == version]
    waiting = [one for one in about if one.outcome == Outcome.AWAIT_REVIEW]
    if not waiting:
        raise GauntletError(
            "this version does not await review",
            where=f"{model} version {version}",
            got=about[-1].outcome if about else "no decision about it",
            wanted=Outcome.AWAIT_REVIEW.value,
            hint=f"`gauntlet explain {model} {version}` says what became of it",
        )
    entry = waiting[-1]
    assert entry.decision is not None
    assert entry.facts is not None
    seen = entry.decision.evidence
    if not matches_evidence(seen, evidence):
        raise GauntletError(
            "the answer was given for other evidence",
            where=f"{model} version {version}",
            got=evidence,
            wanted=seen,
            hint="read the review page again, and name the hash that stands on it",
        )
    for former in parts.ledger.of_run(model, entry.lineage, entry.run):
        given = former.facts.approval if former.facts else None
        if given is not None and given.approved != approved:
            raise GauntletError(
                "this version has been answered for",
                where=f"{model} version {version}",
                got="an approval" if approved else "a refusal",
                wanted=f"nothing more: {given.by} said otherwise, and the outcome is "
                f"{former.outcome}",
                hint=f"`gauntlet explain {model} {version}` shows it; a promotion is undone with "
                "`gauntlet rollback`, and a refused model is trained again",
            )
    approval = Approval(evidence=seen, approved=approved, by=by, at=parts.clock.now(), note=note)
    inputs = DecisionInput(
        model=model,
        lineage=entry.lineage,
        as_of=entry.as_of,
        facts=entry.facts.model_copy(update={"approval": approval}),
        findings=entry.findings,
        spec=entry.spec,
        recipe=entry.recipe,
        snapshot=entry.snapshot,
    )
    answered = promote(inputs, parts.ledger, parts.registry, parts.clock)
    parts.registry.tag(model, version, "gauntlet.outcome", answered.outcome)
    return answered
