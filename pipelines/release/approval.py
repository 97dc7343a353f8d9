"""A reviewer's answer about a version that awaits review, bound to the evidence they reviewed."""

from __future__ import annotations

from collections.abc import Sequence

from pydantic import Field

from pipelines.core.errors import GauntletError
from pipelines.core.records import Record
from pipelines.core.time import Clock
from pipelines.release.ledger import Entry, Ledger
from pipelines.release.policy import Approval, Decision, Facts, Outcome
from pipelines.release.promotion import DecisionInput, promote
from pipelines.release.registry import Aliases
from pipelines.release.verification import verified_entries
from pipelines.release.version_facts import OUTCOME

APPROVAL_TAG = "gauntlet.approval"  # release 0.1.0 took it for an approval
SHORTEST = 8  # minimum digits of the evidence hash in an answer


class ReviewAnswer(Record):
    """The answers that a reviewer can give."""

    by: str = Field(min_length=1, description="who")
    evidence: str = Field(description="Decision.evidence, or at least its first 8 digits")
    approved: bool
    note: str = ""


def matches_evidence(evidence: str, named: str) -> bool:
    """Whether an answer names this evidence, by its full hash or at least the first 8 digits."""
    return len(named) >= SHORTEST and evidence.startswith(named)


def approval_command(model: str, version: str, evidence: str) -> str:
    """The command that approves a version, or with ``--refuse`` refuses it."""
    return f"gauntlet approve {model} {version} --by YOU --evidence {evidence}"


def approval_tag(entry: Entry, aliases: Aliases) -> str:
    """The approval tag, in the registry, of the version in an entry; "" if there is none."""
    return aliases.tags(entry.model, str(entry.candidate)).get(APPROVAL_TAG, "").strip()


def answer_review(
    model: str, version: str, answer: ReviewAnswer, ledger: Ledger, aliases: Aliases, clock: Clock
) -> Entry:
    """Judge the stored evidence again, with the answer. Repeating the answer changes nothing.

    Raises:
        GauntletError: the version does not await review, the answer names other evidence, or the
            other answer was given before.
        StaleEvidenceError: the champion changed since the evidence was gathered.
    """
    entry, facts, decision = _awaiting(model, version, verified_entries(model, ledger))
    if not matches_evidence(decision.evidence, answer.evidence):
        raise GauntletError(
            "the answer names other evidence",
            where=f"{model} version {version}",
            got=answer.evidence,
            wanted=decision.evidence,
            hint="read the review page again, and name the hash that it shows",
        )
    for earlier in ledger.of_run(model, entry.lineage, entry.run):
        given = earlier.facts.approval if earlier.facts else None
        if given is not None and given.approved != answer.approved:
            raise GauntletError(
                "this review was answered before",
                where=f"{model} version {version}",
                got="an approval" if answer.approved else "a refusal",
                wanted=f"no other answer: {given.by} gave the opposite one, and the outcome is "
                f"{earlier.outcome}",
                hint=f"`gauntlet explain {model} {version}` shows it; undo a promotion with "
                "`gauntlet rollback`, and train a refused model again",
            )
    approval = Approval(
        evidence=decision.evidence,
        approved=answer.approved,
        by=answer.by,
        at=clock.now(),
        note=answer.note,
    )
    inputs = DecisionInput(
        model=model,
        lineage=entry.lineage,
        as_of=entry.as_of,
        facts=facts.model_copy(update={"approval": approval}),
        findings=entry.findings,
        spec=entry.spec,
        recipe=entry.recipe,
        snapshot=entry.snapshot,
        trained=entry.trained,
    )
    answered = promote(inputs, ledger, aliases, clock)
    aliases.tag(model, version, OUTCOME, Outcome(answered.outcome).words)
    return answered


def _awaiting(model: str, version: str, entries: Sequence[Entry]) -> tuple[Entry, Facts, Decision]:
    """The newest entry in which a version awaits review, with its facts and decision."""
    about = [entry for entry in entries if entry.candidate == version]
    for entry in reversed(about):
        if entry.outcome == Outcome.AWAIT_REVIEW and entry.facts and entry.decision:
            return entry, entry.facts, entry.decision
    raise GauntletError(
        "this version does not await review",
        where=f"{model} version {version}",
        got=about[-1].outcome if about else "no decision about it",
        wanted=Outcome.AWAIT_REVIEW.value,
        hint=f"`gauntlet explain {model} {version}` shows its decisions",
    )
