"""Promotion: judges a candidate, writes the ledger, then sets the registry's alias.

The ledger records which version is champion; the version with the alias ``champion`` serves. Only
the lineage ``live`` has an alias. A promotion has four steps: (1) append the entry, by
compare-and-swap against the head that was read; (2) set the alias; (3) read the ledger again, and
repeat (2) if the champion changed meanwhile; (4) tag the version with the hash of the entry that
made it champion. The tag proves, outside the database, that the alias was set.

If the process is killed:

- before 1: nothing has changed. The same run judges again.
- during 1, with the response lost: the same run finds the entry or writes it.
- between 1 and 2: the ledger is ahead of the alias, and there is no tag. The same run, or any later
  ``reconcile``, sets the alias.
- between 2 and 4: the alias is right, and there is no tag. The tag is set.

If two processes race (callers hold the lock to wait for each other; the ledger needs no lock):

- Two promotions: both read head n, and the database accepts one entry n + 1. The other promotion
  reads again, finds that its evidence is for another champion, records ``superseded``, and raises.
- A promotion and a decision that keeps the champion: the decision reads again and is appended next.
- A slow promotion sets an old alias after a fast one: each process that sets an alias reads the
  ledger afterwards and corrects the alias, so the last write is right. Only the lock prevents a
  ``reconcile`` at that moment, which would record the old alias as a manual change.
- Two calls of ``reconcile``, or one during a promotion: they read the ledger before and after they
  read the registry, start again if it has grown, and append by compare-and-swap. They therefore do
  not mistake a promotion in progress for a manual change or for lost ledger entries.
- The same run twice at once: both return the same entry.

For an alias moved by hand and for lost ledger entries see ``reconciliation``.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from pydantic import Field

from pipelines.core.errors import GauntletError, StaleEvidenceError
from pipelines.core.findings import Finding
from pipelines.core.records import Instant, Record
from pipelines.core.retry import compare_and_swap
from pipelines.core.time import Clock, Window
from pipelines.release.budget import budget_findings, budget_year, compared
from pipelines.release.ledger import LIVE, Entry, Kind, Ledger, NewEntry
from pipelines.release.policies import Lane
from pipelines.release.policy import Decision, Facts, Outcome, decide
from pipelines.release.reconciliation import (
    reconcile,
    sync_champion_alias,
    sync_segment_aliases,
)
from pipelines.release.registry import Aliases
from pipelines.release.retrain_reason import RetrainReason
from pipelines.release.rollout.segment_champions import SegmentChange
from pipelines.release.rollout.state import ReleaseState
from pipelines.release.rollout.transition import Transition
from pipelines.spec.training import BudgetGate
from pipelines.training.split import TrainingDates

_FREE = {
    "pending": "the recent window only admits to live traffic: the canary pays",
    "complete": "the canary has paid",
}
FREE_LANES: dict[Lane, str] = {
    "refresh": "a refresh is not tested for being better, so it is no try",
    "emergency": "the champion is worse than the naive forecast: replacing it is no try",
    "update": "an update is not tested for being better, so it is no try",
}
_KINDS: dict[Outcome, Kind] = {
    Outcome.PROMOTE: "promotion",
    Outcome.FIRST_VERSION: "first_version",
    Outcome.PROMOTE_SEGMENTS: "segment_promotion",
}


class DecisionInput(Record):
    """The input of a decision, and its origin.

    ``facts.champion_at_decision`` is filled in from the ledger and may be None.
    """

    model: str
    lineage: str = LIVE
    as_of: Instant
    facts: Facts
    findings: tuple[Finding, ...]
    spec: str = Field(description="digest of the declaration")
    recipe: str
    snapshot: str
    trained: TrainingDates | None = Field(default=None, description="of the candidate")
    monitoring: RetrainReason | None = Field(
        default=None, description="why monitoring started the retraining"
    )
    increment: Window | None = Field(
        default=None, description="known times of the rows that an update's contract checked"
    )
    budget: BudgetGate | None = Field(
        default=None, description="what its tries cost; None: the findings say so already"
    )
    transition: Transition | None = Field(
        default=None, description="what ends the candidate's trial if it is promoted"
    )
    segments: SegmentChange | None = Field(
        default=None, description="which segments it answers if it is promoted for segments"
    )


class DecisionResult(NamedTuple):
    """A decision and all the findings that it is based on."""

    decision: Decision
    findings: tuple[Finding, ...]


def promote(inputs: DecisionInput, ledger: Ledger, aliases: Aliases, clock: Clock) -> Entry:
    """Judge a candidate, record the decision, and promote it if the policy allows that.

    Safe to repeat: the entry of a run that was decided is returned. A run that awaits review is
    judged again, with the approval in ``inputs``.

    Returns:
        The entry of the decision; ``entry.outcome``, ``entry.moves`` and ``entry.segments`` are
        the result.

    Raises:
        StaleEvidenceError: the evidence was gathered against another champion. This is recorded
            as well; gather the evidence again in a run with another id.
        Unavailable: ledger or registry did not answer; running again is safe.
        IntegrityError: the ledger is damaged, or lacks an entry that a tag in the registry names.
    """
    facts = inputs.facts
    if facts.dry_run:
        raise GauntletError(
            "a dry run leaves no entry in the ledger",
            where=f"run {facts.run}",
            hint="judge it with promotion.judge_dry_run",
        )
    if inputs.lineage == LIVE:
        reconcile(inputs.model, ledger, aliases, clock)
    entry = _decided(inputs, ledger) or _record(inputs, ledger, clock)
    if entry.outcome == Outcome.SUPERSEDED:
        raise StaleEvidenceError(
            "the champion changed after the evidence was gathered",
            where=f"run {facts.run} of {inputs.model}, lineage {inputs.lineage}",
            got="; ".join(entry.reasons),
            hint="run again: the evidence is gathered anew, against the champion of now",
        )
    if entry.moves and entry.lineage == LIVE:
        sync_champion_alias(inputs.model, ledger, aliases)
    if entry.changes_champions and entry.lineage == LIVE:
        sync_segment_aliases(inputs.model, ledger, aliases)
    return entry


def judge_dry_run(inputs: DecisionInput, ledger: Ledger, clock: Clock) -> DecisionResult:
    """Judge a dry run. The champion stays; a comparison with it is charged to the error budget.

    Safe to repeat. The real run with the same request costs nothing more.

    Raises:
        GauntletError: the input is not that of a dry run.
        Unavailable: the ledger did not answer; running again is safe.
    """
    if not inputs.facts.dry_run:
        raise GauntletError("judge_dry_run takes dry runs only", where=f"run {inputs.facts.run}")
    if compared(inputs.findings) and inputs.budget is not None:
        entry = _record(inputs, ledger, clock)
        if entry.decision is not None:
            return DecisionResult(entry.decision, entry.findings)
    judged = _judge(inputs, ledger.entries(inputs.model, inputs.lineage), clock)
    return DecisionResult(judged.decision, judged.findings)


class _Judged(NamedTuple):
    facts: Facts
    findings: tuple[Finding, ...]
    decision: Decision


def _judge(inputs: DecisionInput, entries: Sequence[Entry], clock: Clock) -> _Judged:
    """Judge against the ledger's current champion and error budget."""
    facts, findings = _facts(inputs, entries), _with_budget(inputs, entries, clock)
    return _Judged(facts, findings, decide(findings, facts))


def _decided(inputs: DecisionInput, ledger: Ledger) -> Entry | None:
    """The run's final decision; None while it is undecided or awaits review."""
    final = [
        entry
        for entry in ledger.of_run(inputs.model, inputs.lineage, inputs.facts.run)
        if entry.decision and entry.kind != "dry_run" and entry.outcome != Outcome.AWAIT_REVIEW
    ]
    return final[-1] if final else None


def _record(inputs: DecisionInput, ledger: Ledger, clock: Clock) -> Entry:
    """Judge and append; repeat if another writer was faster."""
    made = ledger.of_run(inputs.model, inputs.lineage, inputs.facts.run)
    awaited_review = any(entry.decision and entry.kind != "dry_run" for entry in made)

    def attempt() -> Entry:
        entries = ledger.entries(inputs.model, inputs.lineage)
        draft = _draft(inputs, _judge(inputs, entries, clock), awaited_review)
        return ledger.append(draft, after=entries[-1].sequence if entries else 0)

    return compare_and_swap(attempt)


def _facts(inputs: DecisionInput, entries: Sequence[Entry]) -> Facts:
    """The facts with the ledger's current champion and any other active challenger."""
    facts, state = inputs.facts, ReleaseState.from_entries(inputs.model, entries)
    other = state.trial.challenger if state.trial and facts.rollout == "pending" else None
    update = {
        "champion_at_decision": state.champion,
        "active_challenger": None if other == facts.candidate else other,
        "segment_champions_at_decision": state.segment_champions,
    }
    return facts.model_copy(update=update)


def _with_budget(
    inputs: DecisionInput, entries: Sequence[Entry], clock: Clock
) -> tuple[Finding, ...]:
    """The findings and, where a champion is challenged, the charge to the error budget."""
    facts, findings = inputs.facts, inputs.findings
    if inputs.budget is None or facts.champion is None:
        return findings
    now = max(clock.now(), entries[-1].recorded_at) if entries else clock.now()
    year = budget_year(inputs.lineage, inputs.as_of, now)
    free = FREE_LANES.get(facts.lane, _FREE.get(facts.rollout, ""))
    return (*findings, *budget_findings(entries, inputs.budget, year, facts.run, findings, free))


def _draft(inputs: DecisionInput, judged: _Judged, awaited_review: bool) -> NewEntry:
    facts, outcome = judged.facts, judged.decision.outcome
    promotes = outcome.moves or outcome is Outcome.PROMOTE_SEGMENTS
    champion = facts.champion_at_decision
    kind: Kind = "decision"
    if facts.dry_run:
        kind = "dry_run"
    elif awaited_review and outcome != Outcome.AWAIT_REVIEW:
        kind = "review"
    return NewEntry(
        model=inputs.model,
        lineage=inputs.lineage,
        kind=_KINDS.get(outcome, kind),
        run=facts.run,
        as_of=inputs.as_of,
        champion_before=champion,
        champion_after=facts.candidate if outcome.moves else champion,
        reasons=judged.decision.reasons,
        decision=judged.decision,
        facts=facts,
        findings=judged.findings,
        spec=inputs.spec,
        recipe=inputs.recipe,
        snapshot=inputs.snapshot,
        trained=inputs.trained,
        monitoring=inputs.monitoring,
        increment=inputs.increment,
        transition=inputs.transition if promotes else None,
        segments=inputs.segments if outcome is Outcome.PROMOTE_SEGMENTS else None,
    )
