"""From a judgement to the champion: the ledger first, then the registry's alias.

The ledger says who is champion; the alias ``champion`` is what serves. Only the lineage ``live``
has an alias. A promotion is four steps: (1) append the entry, compare-and-swap against the head
that was read; (2) point the alias; (3) read the ledger again, and repeat (2) if the champion
changed meanwhile; (4) tag the version with the hash of the entry that made it champion. The tag
says "the alias did get there", and it is a witness outside the database.

What if the process dies

- before 1: nothing has happened. The same run judges again.
- during 1, the answer lost: the entry is there or not. The same run finds it, or writes it.
- between 1 and 2: ledger ahead of the alias, no tag. The same run, or any later ``reconcile``,
  sets the alias.
- between 2 and 4: alias right, no tag. The tag is set.

What if two race (callers hold the lock, which is for waiting; the ledger decides without it)

- two promoters: both read head n, the database accepts one entry n + 1. The other reads again,
  finds another champion than its evidence was gathered against, records ``superseded``, and raises.
- a decision that moves nothing against a promotion: it reads again and takes the next place.
- a slow promoter sets an old alias after a fast one: whoever sets an alias reads the ledger
  afterwards and corrects it, so the last write is right. Only the lock keeps a ``reconcile`` from
  looking in that instant, where it would take the old alias for a move by hand and record it.
- two ``reconcile``, or one beside a promotion: they read the ledger before and after they read the
  registry, start again if it has grown, and append by compare-and-swap. So a move in progress is
  taken neither for one made by hand nor for a ledger that has lost entries.
- the same run twice at once: one entry, which both return.

What if a person moves the alias, or the ledger loses entries: see ``reconciliation``.
"""

from __future__ import annotations

from typing import NamedTuple

from pydantic import Field

from pipelines.core.errors import GauntletError, StaleEvidenceError
from pipelines.core.findings import Finding
from pipelines.core.records import Instant, Record
from pipelines.core.time import Clock
from pipelines.release.budget import budget_findings, budget_year, compared
from pipelines.release.ledger import LIVE, Entry, Kind, Ledger, NewEntry
from pipelines.release.policy import Decision, Facts, Outcome, decide
from pipelines.release.reconciliation import reconcile, sync_champion_alias
from pipelines.release.registry import Aliases
from pipelines.release.rollout.state import trial
from pipelines.release.rollout.transition import Transition
from pipelines.spec.training import BudgetGate

_FREE = {
    "pending": "the recent window only admits to live traffic: the canary pays",
    "complete": "the canary has paid",
}
_KINDS: dict[Outcome, Kind] = {Outcome.PROMOTE: "promotion", Outcome.FIRST_VERSION: "first_version"}


class DecisionInput(Record):
    """All that is put before the policy, and where it comes from.

    ``facts.champion_at_decision`` is filled in from the ledger and may be left None.
    """

    model: str
    lineage: str = LIVE
    as_of: Instant
    facts: Facts
    findings: tuple[Finding, ...]
    spec: str = Field(description="digest of the declaration")
    recipe: str
    snapshot: str
    budget: BudgetGate | None = Field(
        default=None, description="what its tries cost; None: the findings say so already"
    )
    transition: Transition | None = Field(
        default=None, description="what ends the candidate's trial if it is promoted"
    )


class DecisionResult(NamedTuple):
    """A decision, and every finding that it was made from."""

    decision: Decision
    findings: tuple[Finding, ...]


def promote(inputs: DecisionInput, ledger: Ledger, aliases: Aliases, clock: Clock) -> Entry:
    """Judge a dossier, record the decision, and promote the candidate if the decision says so.

    Safe to repeat: a run that has been decided gets its entry back. One that awaits review is
    judged again, with whatever approval the dossier now has.

    Returns: the entry of the decision; ``entry.outcome`` and ``entry.moves`` say what became of it.

    Raises:
        StaleEvidenceError: the champion is not the one the evidence was gathered against. That is
            recorded as well; the evidence has to be gathered anew, by a run with another id.
        Unavailable: ledger or registry did not answer; running again is safe.
        IntegrityError: the ledger is damaged, or has lost what the registry cites.
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
    return entry


def judge_dry_run(inputs: DecisionInput, ledger: Ledger, clock: Clock) -> DecisionResult:
    """Judge a dry run. The champion stays; a comparison that was seen is recorded as a try.

    Safe to repeat. The real run of the same question costs nothing more.

    Raises:
        GauntletError: the dossier is not that of a dry run.
        Unavailable: the ledger did not answer; running again is safe.
    """
    if not inputs.facts.dry_run:
        raise GauntletError("judge_dry_run takes dry runs only", where=f"run {inputs.facts.run}")
    if compared(inputs.findings) and inputs.budget is not None:
        entry = _record(inputs, ledger, clock)
        assert entry.decision is not None
        return DecisionResult(entry.decision, entry.findings)
    chain = ledger.entries(inputs.model, inputs.lineage)
    findings, facts = _with_budget(inputs, chain, clock), _facts(inputs, chain)
    return DecisionResult(decide(findings, facts), findings)


def _decided(inputs: DecisionInput, ledger: Ledger) -> Entry | None:
    """What this run came to; None while it is undecided or awaits review."""
    made = ledger.of_run(inputs.model, inputs.lineage, inputs.facts.run)
    final = [
        entry
        for entry in made
        if entry.decision and entry.kind != "dry_run" and entry.outcome != Outcome.AWAIT_REVIEW
    ]
    return final[-1] if final else None


def _record(inputs: DecisionInput, ledger: Ledger, clock: Clock) -> Entry:
    """Judge against champion and budget of now and append; again whenever somebody was faster."""
    made = ledger.of_run(inputs.model, inputs.lineage, inputs.facts.run)
    awaited = any(entry.decision and entry.kind != "dry_run" for entry in made)
    while True:
        chain = ledger.entries(inputs.model, inputs.lineage)
        facts = _facts(inputs, chain)
        found = _with_budget(inputs, chain, clock)
        decision = decide(found, facts)
        draft = _judged(inputs.model_copy(update={"findings": found}), facts, decision, awaited)
        try:
            return ledger.append(draft, after=chain[-1].sequence if chain else 0)
        except StaleEvidenceError:
            continue


def _facts(inputs: DecisionInput, chain: tuple[Entry, ...]) -> Facts:
    """The dossier's facts with what the ledger says now: who is champion, and who is on trial."""
    facts, other = inputs.facts, trial(chain)
    taken = facts.rollout == "pending" and other is not None and other.challenger != facts.candidate
    update = {
        "champion_at_decision": chain[-1].champion_after if chain else None,
        "active_challenger": other.challenger if taken and other else None,
    }
    return facts.model_copy(update=update)


def _with_budget(
    inputs: DecisionInput, chain: tuple[Entry, ...], clock: Clock
) -> tuple[Finding, ...]:
    """The dossier's findings and, where a champion is challenged, what the try costs."""
    if inputs.budget is None or inputs.facts.champion is None:
        return inputs.findings
    now = max(clock.now(), chain[-1].recorded_at) if chain else clock.now()
    year = budget_year(inputs.lineage, inputs.as_of, now)
    facts = inputs.facts
    found, free = inputs.findings, _FREE.get(facts.rollout, "")
    return (*found, *budget_findings(chain, inputs.budget, year, facts.run, found, free))


def _judged(inputs: DecisionInput, facts: Facts, decision: Decision, awaited: bool) -> NewEntry:
    ended: Kind = "review" if awaited and decision.outcome != Outcome.AWAIT_REVIEW else "decision"
    ended = "dry_run" if facts.dry_run else ended
    return NewEntry(
        model=inputs.model,
        lineage=inputs.lineage,
        kind=_KINDS.get(decision.outcome, ended),
        run=facts.run,
        as_of=inputs.as_of,
        champion_before=facts.champion_at_decision,
        champion_after=facts.candidate if decision.outcome.moves else facts.champion_at_decision,
        reasons=decision.reasons,
        decision=decision,
        facts=facts,
        findings=inputs.findings,
        spec=inputs.spec,
        recipe=inputs.recipe,
        snapshot=inputs.snapshot,
        transition=inputs.transition if decision.outcome.moves else None,
    )
