"""Back to a former champion: the ledger first, then the alias, as in a promotion."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from pipelines.core.errors import GauntletError
from pipelines.core.time import Clock
from pipelines.release.ledger import LIVE, Entry, Ledger, NewEntry
from pipelines.release.reconciliation import reconcile, sync_champion_alias
from pipelines.release.registry import Aliases
from pipelines.release.version_facts import no_such_version


def rollback(
    model: str,
    *,
    run: str,
    to: str | None = None,
    reason: str,
    ledger: Ledger,
    aliases: Aliases,
    clock: Clock,
    lineage: str = LIVE,
    whole: Callable[[str], object] = lambda _: None,
) -> Entry:
    """Make a former champion of the lineage champion again, at once and on a person's word.

    Arguments:
        run: id of this rollback; repeating it with the same id does nothing more.
        to: a version that has been champion in this lineage; None: see ``champion_before``.
        reason: why, for whoever reads the ledger.
        whole: raises where a version could not be served; asked before anything is recorded.

    Raises:
        GauntletError: the version has never been champion here, is it now, is in the registry no
            more, there was none before, or no reason is given.
        StaleEvidenceError: the champion changed meanwhile.
    """
    where = f"{model}, lineage {lineage}"
    if not reason.strip():
        raise GauntletError("a rollback needs a reason", where=where, hint="say why: --reason ...")
    if lineage == LIVE:
        found = reconcile(model, ledger, aliases, clock)
        begun = found.entry if found.action == "finished" else None
        if begun and begun.kind == "rollback" and to in (None, begun.champion_after):
            return begun  # it was killed on its way, and asking again means this one
    done = [entry for entry in ledger.of_run(model, lineage, run) if entry.kind == "rollback"]
    if done:
        return done[0]
    chain = ledger.entries(model, lineage)
    before = chain[-1].champion_after if chain else None
    former = {entry.champion_after for entry in chain} - {before, None}
    to = to or champion_before(chain)
    if to is None:
        raise GauntletError(
            "there is nothing to roll back to",
            where=where,
            got=f"champion is {before}, and none stood before it",
            hint=f"`gauntlet ledger {model}` shows who was champion; --to names one of them",
        )
    if to not in former:
        raise GauntletError(
            "a rollback leads to a former champion",
            where=where,
            got=f"version {to}; champion is {before}",
            wanted=f"one of {sorted(str(version) for version in former)}",
        )
    if lineage == LIVE and not aliases.tags(model, to):
        raise no_such_version(model, to)  # before the ledger says what cannot be
    whole(to)
    new = NewEntry(
        model=model,
        lineage=lineage,
        kind="rollback",
        run=run,
        as_of=clock.now(),
        champion_before=before,
        champion_after=to,
        reasons=(reason,),
    )
    entry = ledger.append(new, after=chain[-1].sequence)
    if lineage == LIVE:
        sync_champion_alias(model, ledger, aliases)
    return entry


def champion_before(chain: Sequence[Entry]) -> str | None:
    """The champion that a rollback leads to: the one before the present one came.

    A rollback ends the time of the versions that came after where it leads, so a second one goes
    further back, and never forth to what the first one has taken away.
    """
    stood: list[str | None] = []
    for entry in chain:
        to = entry.champion_after
        if entry.kind == "rollback" and to in stood:
            while stood[-1] != to:
                stood.pop()
        elif entry.moves:
            stood.append(to)
    present = chain[-1].champion_after if chain else None
    return next((one for one in reversed(stood) if one not in (None, present)), None)
