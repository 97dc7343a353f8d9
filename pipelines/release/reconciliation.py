"""Ledger and registry brought together: the alias finished, or its move by hand recorded.

What if a person moves the alias

- the alias then serves, so that version is champion: recorded as ``manual_alias_change``, and
evidence
  against the former champion is void. Moving it back to the champion before is told from a crash
  by the tag of step 4: with the tag, a person did it. One gap is left: a person who moves the alias
  back before any process has come to step 4 is taken for the crash, and the promotion is finished.
- a deleted alias means that nothing serves: recorded, and the next version is a first version.

What if the registry is another one, or empty: it knows none of the versions that ever were
champion, and everything stops with ``IntegrityError`` before its emptiness is recorded as a move by
hand.

What if the ledger loses its newest entries (a restored backup): the serving version's tag names an
entry that the ledger does not hold, and everything stops with ``IntegrityError``.
"""

from __future__ import annotations

from datetime import datetime
from typing import Literal

from pydantic import Field

from pipelines.core.errors import IntegrityError, StaleEvidenceError
from pipelines.core.records import Record
from pipelines.core.time import Clock
from pipelines.release.ledger import LIVE, Entry, Ledger, NewEntry
from pipelines.release.registry import CHAMPION, Aliases

ENTRY_TAG = "gauntlet.ledger_entry"


class Reconciliation(Record):
    """What was found on start. Everything but ``agree`` is worth a person's look."""

    action: Literal["agree", "finished", "manual_alias_change"]
    champion: str | None
    entry: Entry | None = Field(description="the entry that made the champion, or records the move")
    summary: str


def reconcile(model: str, ledger: Ledger, aliases: Aliases, clock: Clock) -> Reconciliation:
    """Bring ledger and alias of the lineage ``live`` together; see this module's text.

    Returns: what was found and done.

    Raises:
        IntegrityError: the ledger has lost the entry that made the serving version champion, or the
            registry every version that ever was.
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
        _check_ledger_tag(model, chain, alias, cited)
        if alias is None:
            _check_registry(model, chain, aliases)
        if alias == champion:
            if move and not arrived:
                _ledger_tag(move, aliases)
            return Reconciliation(
                action="agree",
                champion=champion,
                entry=move,
                summary=f"ledger and alias agree on {champion}",
            )
        if move and alias == move.champion_before and not arrived:
            sync_champion_alias(model, ledger, aliases)
            return Reconciliation(
                action="finished",
                champion=champion,
                entry=move,
                summary=f"finished the {move.kind} of run {move.run}: {alias} -> {champion}",
            )
        try:
            entry = ledger.append(
                _unexplained(model, head, alias, clock.now()), head.sequence if head else 0
            )
        except StaleEvidenceError:
            continue  # a promotion was in progress: look again
        _ledger_tag(entry, aliases)
        return Reconciliation(
            action="manual_alias_change",
            champion=alias,
            entry=entry,
            summary=f"the alias was moved by hand: {champion} -> {alias}",
        )


def _unexplained(model: str, head: Entry | None, alias: str | None, now: datetime) -> NewEntry:
    before, after = (head.champion_after, head.sequence) if head else (None, 0)
    return NewEntry(
        model=model,
        kind="manual_alias_change",
        run=f"by-hand-after-{after}",
        as_of=now,
        champion_before=before,
        champion_after=alias,
        reasons=(
            f"the alias {CHAMPION} shows {alias} where the ledger has {before}: moved by hand",
        ),
    )


def sync_champion_alias(model: str, ledger: Ledger, aliases: Aliases) -> None:
    """Point the alias at the ledger's champion, and stay until the two agree."""
    while True:
        champion = ledger.champion(model, LIVE)
        aliases.set_alias(model, CHAMPION, champion)
        chain = ledger.entries(model, LIVE)
        move = next((entry for entry in reversed(chain) if entry.moves), None)
        if move is None or move.champion_after == champion:
            if move is not None:
                _ledger_tag(move, aliases)
            return


def _ledger_tag(move: Entry, aliases: Aliases) -> None:
    if move.champion_after is not None:
        aliases.tag(move.model, move.champion_after, ENTRY_TAG, move.hash)


def _arrived(model: str, move: Entry | None, aliases: Aliases) -> bool:
    """Whether the alias did get to where the newest move sent it.

    A move to no version is only ever recorded after the fact, so it has arrived.
    """
    if move is None or move.champion_after is None:
        return True
    return aliases.tags(model, move.champion_after).get(ENTRY_TAG) == move.hash


def _check_ledger_tag(
    model: str, chain: tuple[Entry, ...], alias: str | None, cited: str | None
) -> None:
    """Refuse a ledger that does not hold the entry which the serving version cites."""
    if cited is not None and cited not in {entry.hash for entry in chain}:
        raise IntegrityError(
            "the ledger has lost entries",
            where=f"{model}, lineage {LIVE}",
            got=f"version {alias} serves since entry {cited}, which is not in the ledger",
            wanted="every entry that was ever written",
            hint="restore the newest backup of the ledger's database; to begin anew without it, "
            f"remove the tag {ENTRY_TAG} from version {alias}",
        )


def _check_registry(model: str, chain: tuple[Entry, ...], aliases: Aliases) -> None:
    """Refuse a registry that is not the one the ledger's versions were registered in."""
    former = sorted({entry.champion_after for entry in chain if entry.champion_after}, key=int)
    if former and not any(aliases.tags(model, version) for version in former):
        raise IntegrityError(
            "the registry knows no version that ever was champion",
            where=f"{model}, lineage {LIVE}",
            got=f"no version {', '.join(former)}",
            wanted="the registry that belongs to this ledger",
            hint="set GAUNTLET_MLFLOW_URI and GAUNTLET_LEDGER_URL to two that belong together; if "
            "the versions are lost, restore them, or begin anew under another name",
        )
