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

What if a person moves the alias

- the alias then serves, so that version is champion: recorded as ``unexplained``, and evidence
  against the former champion is void. Moving it back to the champion before is told from a crash
  by the tag of step 4: with the tag, a person did it. One gap is left: a person who moves the alias
  back before any process has come to step 4 is taken for the crash, and the promotion is finished.
- a deleted alias means that nothing serves: recorded, and the next version is a bootstrap.

What if the ledger loses its newest entries (a restored backup): the serving version's tag names an
entry that the ledger does not hold, and everything stops with ``Damaged``.
"""

from __future__ import annotations

from datetime import datetime
from typing import Literal, NamedTuple

from pydantic import Field

from pipelines.core.errors import Damaged, GauntletError, Superseded
from pipelines.core.records import Instant, Record
from pipelines.core.time import Clock
from pipelines.core.verdict import Finding
from pipelines.release.budget import budget_findings, budget_year, compared
from pipelines.release.ledger import LIVE, Draft, Entry, Kind, Ledger
from pipelines.release.policy import CURRENT, Decision, Facts, Outcome, Policy, decide
from pipelines.release.registry import CHAMPION, Aliases
from pipelines.spec.training import BudgetGate

ENTRY_TAG = "gauntlet.ledger_entry"
_KINDS: dict[Outcome, Kind] = {Outcome.PROMOTE: "promotion", Outcome.BOOTSTRAP: "bootstrap"}


class Dossier(Record):
    """All that is put before the policy, and where it comes from.

    ``facts.standing`` is filled in from the ledger and may be left None.
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


class Judgement(NamedTuple):
    """A decision, and every finding that it was made from."""

    decision: Decision
    findings: tuple[Finding, ...]


class Reconciliation(Record):
    """What was found on start. Everything but ``agree`` is worth a person's look."""

    action: Literal["agree", "finished", "unexplained"]
    champion: str | None
    alias_before: str | None
    entry: Entry | None = Field(description="the entry that made the champion, or records the move")
    summary: str


def promote(
    dossier: Dossier,
    ledger: Ledger,
    aliases: Aliases,
    clock: Clock,
    policy: Policy = CURRENT,
) -> Entry:
    """Judge a dossier, record the decision, and promote the candidate if the decision says so.

    Safe to repeat: a run that has been decided gets its entry back. One that awaits review is
    judged again, with whatever approval the dossier now has.

    Returns: the entry of the decision; ``entry.outcome`` and ``entry.moves`` say what became of it.

    Raises:
        Superseded: the champion is not the one the evidence was gathered against. That is recorded
            as well; the evidence has to be gathered anew, by a run with another id.
        Unavailable: ledger or registry did not answer; running again is safe.
        Damaged: the ledger is damaged, or has lost what the registry cites.
    """
    facts = dossier.facts
    if facts.dry_run:
        raise GauntletError(
            "a dry run leaves no entry in the ledger",
            where=f"run {facts.run}",
            do="judge it with promotion.look",
        )
    if dossier.lineage == LIVE:
        reconcile(dossier.model, ledger, aliases, clock)
    entry = _decided(dossier, ledger) or _record(dossier, ledger, clock, policy)
    if entry.outcome == Outcome.SUPERSEDED:
        raise Superseded(
            "the champion changed after the evidence was gathered",
            where=f"run {facts.run} of {dossier.model}, lineage {dossier.lineage}",
            got="; ".join(entry.reasons),
            do="run again: the evidence is gathered anew, against the champion of now",
        )
    if entry.moves and entry.lineage == LIVE:
        _point(dossier.model, ledger, aliases)
    return entry


def look(dossier: Dossier, ledger: Ledger, clock: Clock, policy: Policy = CURRENT) -> Judgement:
    """Judge a dry run. The champion stays; a comparison that was seen is recorded as a try.

    Safe to repeat. The real run of the same question costs nothing more.

    Raises:
        GauntletError: the dossier is not that of a dry run.
        Unavailable: the ledger did not answer; running again is safe.
    """
    if not dossier.facts.dry_run:
        raise GauntletError("only a dry run is looked at", where=f"run {dossier.facts.run}")
    if compared(dossier.findings) and dossier.budget is not None:
        entry = _record(dossier, ledger, clock, policy)
        assert entry.decision is not None
        return Judgement(entry.decision, entry.findings)
    chain = ledger.entries(dossier.model, dossier.lineage)
    findings = _with_budget(dossier, chain, clock)
    standing = chain[-1].champion_after if chain else None
    facts = dossier.facts.model_copy(update={"standing": standing})
    return Judgement(decide(findings, facts, policy), findings)


def rollback(
    model: str,
    *,
    run: str,
    to: str,
    reason: str,
    ledger: Ledger,
    aliases: Aliases,
    clock: Clock,
    lineage: str = LIVE,
) -> Entry:
    """Make a former champion of the lineage champion again, at once and on a person's word.

    Arguments:
        run: id of this rollback; repeating it with the same id does nothing more.
        to: a version that has been champion in this lineage.
        reason: why, for whoever reads the ledger.

    Raises:
        GauntletError: the version has never been champion here, is it now, or no reason is given.
        Superseded: the champion changed meanwhile.
    """
    where = f"{model}, lineage {lineage}"
    if not reason.strip():
        raise GauntletError("a rollback needs a reason", where=where, do="say why")
    if lineage == LIVE:
        reconcile(model, ledger, aliases, clock)
    done = [entry for entry in ledger.of_run(model, lineage, run) if entry.kind == "rollback"]
    if done:
        return done[0]
    chain = ledger.entries(model, lineage)
    before = chain[-1].champion_after if chain else None
    former = {entry.champion_after for entry in chain} - {before, None}
    if to not in former:
        raise GauntletError(
            "a rollback leads to a former champion",
            where=where,
            got=f"version {to}; champion is {before}",
            wanted=f"one of {sorted(str(version) for version in former)}",
        )
    draft = Draft(
        model=model,
        lineage=lineage,
        kind="rollback",
        run=run,
        as_of=clock.now(),
        champion_before=before,
        champion_after=to,
        reasons=(reason,),
    )
    entry = ledger.append(draft, after=chain[-1].sequence)
    if lineage == LIVE:
        _point(model, ledger, aliases)
    return entry


def reconcile(model: str, ledger: Ledger, aliases: Aliases, clock: Clock) -> Reconciliation:
    """Bring ledger and alias of the lineage ``live`` together; see this module's text.

    Returns: what was found and done.

    Raises:
        Damaged: the ledger has lost the entry that made the serving version champion.
        Unavailable: ledger or registry did not answer; running again is safe.
    """
    while True:
        chain = ledger.entries(model, LIVE)
        head = chain[-1] if chain else None
        champion = head.champion_after if head else None
        move = next((entry for entry in reversed(chain) if entry.moves), None)
        alias = aliases.alias(model, CHAMPION)
        cited = aliases.tags(model, alias).get(ENTRY_TAG) if alias is not None else None
        arrived = _arrived(model, move, aliases)
        if ledger.head(model, LIVE) != head:
            continue  # a promotion was in progress: what was read belongs to two moments
        _check_witness(model, chain, alias, cited)
        if alias == champion:
            if move and not arrived:
                _witness(move, aliases)
            return Reconciliation(
                action="agree",
                champion=champion,
                alias_before=alias,
                entry=move,
                summary=f"ledger and alias agree on {champion}",
            )
        if move and alias == move.champion_before and not arrived:
            _point(model, ledger, aliases)
            return Reconciliation(
                action="finished",
                champion=champion,
                alias_before=alias,
                entry=move,
                summary=f"finished the {move.kind} of run {move.run}: {alias} -> {champion}",
            )
        try:
            entry = ledger.append(
                _unexplained(model, head, alias, clock.now()), head.sequence if head else 0
            )
        except Superseded:
            continue  # a promotion was in progress: look again
        _witness(entry, aliases)
        return Reconciliation(
            action="unexplained",
            champion=alias,
            alias_before=alias,
            entry=entry,
            summary=f"the alias was moved by hand: {champion} -> {alias}",
        )


def _decided(dossier: Dossier, ledger: Ledger) -> Entry | None:
    """What this run came to; None while it is undecided or awaits review."""
    made = ledger.of_run(dossier.model, dossier.lineage, dossier.facts.run)
    final = [
        entry
        for entry in made
        if entry.decision and entry.kind != "peek" and entry.outcome != Outcome.AWAIT_REVIEW
    ]
    return final[-1] if final else None


def _record(dossier: Dossier, ledger: Ledger, clock: Clock, policy: Policy) -> Entry:
    """Judge against champion and budget of now and append; again whenever somebody was faster."""
    made = ledger.of_run(dossier.model, dossier.lineage, dossier.facts.run)
    awaited = any(entry.kind != "peek" for entry in made)
    while True:
        chain = ledger.entries(dossier.model, dossier.lineage)
        standing = chain[-1].champion_after if chain else None
        facts = dossier.facts.model_copy(update={"standing": standing})
        found = _with_budget(dossier, chain, clock)
        decision = decide(found, facts, policy)
        draft = _judged(dossier.model_copy(update={"findings": found}), facts, decision, awaited)
        try:
            return ledger.append(draft, after=chain[-1].sequence if chain else 0)
        except Superseded:
            continue


def _with_budget(dossier: Dossier, chain: tuple[Entry, ...], clock: Clock) -> tuple[Finding, ...]:
    """The dossier's findings and, where a champion is challenged, what the try costs."""
    if dossier.budget is None or dossier.facts.champion is None:
        return dossier.findings
    now = max(clock.now(), chain[-1].recorded_at) if chain else clock.now()
    year = budget_year(dossier.lineage, dossier.as_of, now)
    run = dossier.facts.run
    return (
        *dossier.findings,
        *budget_findings(chain, dossier.budget, year, run, dossier.findings),
    )


def _judged(dossier: Dossier, facts: Facts, decision: Decision, awaited: bool) -> Draft:
    ended: Kind = "review" if awaited and decision.outcome != Outcome.AWAIT_REVIEW else "decision"
    ended = "peek" if facts.dry_run else ended
    return Draft(
        model=dossier.model,
        lineage=dossier.lineage,
        kind=_KINDS.get(decision.outcome, ended),
        run=facts.run,
        as_of=dossier.as_of,
        champion_before=facts.standing,
        champion_after=facts.candidate if decision.outcome.moves else facts.standing,
        reasons=decision.reasons,
        decision=decision,
        facts=facts,
        findings=dossier.findings,
        spec=dossier.spec,
        recipe=dossier.recipe,
        snapshot=dossier.snapshot,
    )


def _unexplained(model: str, head: Entry | None, alias: str | None, now: datetime) -> Draft:
    before, after = (head.champion_after, head.sequence) if head else (None, 0)
    return Draft(
        model=model,
        kind="unexplained",
        run=f"by-hand-after-{after}",
        as_of=now,
        champion_before=before,
        champion_after=alias,
        reasons=(
            f"the alias {CHAMPION} shows {alias} where the ledger has {before}: moved by hand",
        ),
    )


def _point(model: str, ledger: Ledger, aliases: Aliases) -> None:
    """Point the alias at the ledger's champion, and stay until the two agree."""
    while True:
        champion = ledger.champion(model, LIVE)
        aliases.set_alias(model, CHAMPION, champion)
        chain = ledger.entries(model, LIVE)
        move = next((entry for entry in reversed(chain) if entry.moves), None)
        if move is None or move.champion_after == champion:
            if move is not None:
                _witness(move, aliases)
            return


def _witness(move: Entry, aliases: Aliases) -> None:
    if move.champion_after is not None:
        aliases.tag(move.model, move.champion_after, ENTRY_TAG, move.hash)


def _arrived(model: str, move: Entry | None, aliases: Aliases) -> bool:
    """Whether the alias did get to where the newest move sent it.

    A move to no version is only ever recorded after the fact, so it has arrived.
    """
    if move is None or move.champion_after is None:
        return True
    return aliases.tags(model, move.champion_after).get(ENTRY_TAG) == move.hash


def _check_witness(
    model: str, chain: tuple[Entry, ...], alias: str | None, cited: str | None
) -> None:
    """Refuse a ledger that does not hold the entry which the serving version cites."""
    if cited is not None and cited not in {entry.hash for entry in chain}:
        raise Damaged(
            "the ledger has lost entries",
            where=f"{model}, lineage {LIVE}",
            got=f"version {alias} serves since entry {cited}, which is not in the ledger",
            wanted="every entry that was ever written",
            do="restore the newest backup of the ledger's database; to begin anew without it, "
            f"remove the tag {ENTRY_TAG} from version {alias}",
        )
