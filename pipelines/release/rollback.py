"""Rollback: restores a former champion. Writes the ledger first, then the alias."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from pipelines.core.errors import GauntletError
from pipelines.core.time import Clock
from pipelines.release.ledger import LIVE, Entry, Ledger, NewEntry
from pipelines.release.reconciliation import reconcile, sync_champion_alias
from pipelines.release.registry import Aliases
from pipelines.release.version_facts import no_such_version


@dataclass(frozen=True)
class RollbackRequest:
    """What to roll back, and why.

    Arguments:
        run: id of this rollback; repeating it with the same id does nothing more.
        reason: why, in a sentence; it is stored in the ledger.
        to: a version that has been champion in this lineage. None: the champion before the current
            one (``champion_before``); right after another rollback, nothing more happens.
    """

    model: str
    run: str
    reason: str
    to: str | None = None
    lineage: str = LIVE


def rollback(
    request: RollbackRequest,
    ledger: Ledger,
    aliases: Aliases,
    clock: Clock,
    check_servable: Callable[[str], object] = lambda _: None,
) -> Entry:
    """Make a former champion of the lineage champion again, at once. Safe to repeat.

    Arguments:
        check_servable: called with the version before anything is recorded; raises when the
            version cannot be served.

    Raises:
        GauntletError: no reason is given, there is no earlier champion, or the version was never
            champion here, is champion now, or is no longer in the registry.
        StaleEvidenceError: the champion changed meanwhile.
    """
    model, lineage, run, to = request.model, request.lineage, request.run, request.to
    where = f"{model}, lineage {lineage}"
    if not request.reason.strip():
        raise GauntletError("a rollback needs a reason", where=where, hint="say why: --reason ...")
    if lineage == LIVE:
        found = reconcile(model, ledger, aliases, clock)
        begun = found.entry if found.action == "finished" else None
        if begun and begun.kind == "rollback" and to in (None, begun.champion_after):
            return begun  # an interrupted rollback: this call completes it
    done = [entry for entry in ledger.of_run(model, lineage, run) if entry.kind == "rollback"]
    if done:
        return done[0]
    chain = ledger.entries(model, lineage)
    last = next((entry for entry in reversed(chain) if entry.moves), None)
    if to is None and last is not None and last.kind == "rollback":
        return last  # repeated: to go further back, name the version
    before = chain[-1].champion_after if chain else None
    former = {entry.champion_after for entry in chain} - {before, None}
    to = to or champion_before(chain)
    if to is None:
        raise GauntletError(
            "there is nothing to roll back to",
            where=where,
            got=f"the champion is version {before}, and there was none before it",
            hint=f"`gauntlet ledger {model}` shows who was champion; --to names one of them",
        )
    if to not in former:
        raise GauntletError(
            "only a former champion can be restored",
            where=where,
            got=f"version {to}; the champion is version {before}",
            wanted=f"one of {sorted(str(version) for version in former)}",
        )
    if lineage == LIVE and not aliases.tags(model, to):
        raise no_such_version(model, to)  # before anything is recorded
    check_servable(to)
    new = NewEntry(
        model=model,
        lineage=lineage,
        kind="rollback",
        run=run,
        as_of=clock.now(),
        champion_before=before,
        champion_after=to,
        reasons=(request.reason,),
    )
    entry = ledger.append(new, after=chain[-1].sequence)
    if lineage == LIVE:
        sync_champion_alias(model, ledger, aliases)
    return entry


def champion_before(chain: Sequence[Entry]) -> str | None:
    """The champion that a rollback restores by default: the one before the current one.

    It never restores a version that an earlier rollback removed.
    """
    former: list[str | None] = []
    for entry in chain:
        to = entry.champion_after
        if entry.kind == "rollback" and to in former:
            while former[-1] != to:
                former.pop()
        elif entry.moves:
            former.append(to)
    present = chain[-1].champion_after if chain else None
    return next((one for one in reversed(former) if one not in (None, present)), None)
