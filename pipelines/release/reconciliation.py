"""Reconciles the ledger with the registry's aliases.

The ledger decides. The alias ``champion`` is set after the ledger, so it can lag behind it.

When a person moves the alias ``champion``:

- The version that it names serves, so the ledger records it as champion by a
  ``manual_alias_change``, and evidence against the former champion is void. If a person moves it
  back to the previous champion, the tag from step 4 of a promotion distinguishes this from a crash:
  the tag exists only if the alias was set. One case cannot be distinguished: if the alias is moved
  back before any process reached step 4, it is treated as a crash, and the promotion is finished.
- When the alias is deleted, nothing serves. The ledger records it, and the next version is a first
  version.

When the registry is empty or a different one, it contains no version that ever was champion.
``IntegrityError`` is raised, and no manual change is recorded.

When the ledger lost its newest entries (a restored backup), the tag of the serving version names an
entry that the ledger does not hold, and ``IntegrityError`` is raised.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Literal

from pydantic import Field

from pipelines.core.errors import IntegrityError, StaleEvidenceError
from pipelines.core.records import Record
from pipelines.core.retry import compare_and_swap
from pipelines.core.time import Clock
from pipelines.release.ledger import LIVE, Entry, Ledger, NewEntry
from pipelines.release.registry import CHALLENGER, CHAMPION, Aliases
from pipelines.release.rollout.state import ReleaseState

ENTRY_TAG = "gauntlet.ledger_entry"


class Reconciliation(Record):
    """The result of a reconciliation. Every action except ``agree`` needs a person's attention."""

    action: Literal["agree", "finished", "manual_alias_change"]
    champion: str | None
    entry: Entry | None = Field(
        description="the entry that made the champion, or records the manual change"
    )
    entries: tuple[Entry, ...] = Field(description="the ledger as it was read, oldest first")
    summary: str


def reconcile(model: str, ledger: Ledger, aliases: Aliases, clock: Clock) -> Reconciliation:
    """Reconcile the ledger of the lineage ``live`` with the alias ``champion``.

    Returns: what was found and done.

    Raises:
        IntegrityError: the ledger has lost the entry that made the serving version champion, or
            the registry has lost every version that ever was champion.
        Unavailable: ledger or registry did not answer; running again is safe.
    """
    return compare_and_swap(lambda: _reconcile_once(model, ledger, aliases, clock))


def _reconcile_once(model: str, ledger: Ledger, aliases: Aliases, clock: Clock) -> Reconciliation:
    entries = ledger.entries(model, LIVE)
    head = entries[-1] if entries else None
    champion = head.champion_after if head else None
    change = _last_champion_change(entries)
    alias = aliases.alias(model, CHAMPION)
    cited = aliases.tags(model, alias).get(ENTRY_TAG) if alias is not None else None
    finished = _alias_was_set(model, change, aliases)
    if ledger.head(model, LIVE) != head:
        raise StaleEvidenceError("the ledger has grown while the registry was read")
    _check_ledger_tag(model, entries, alias, cited)
    if alias is None:
        _check_registry(model, entries, aliases)
    if alias == champion:
        if change and not finished:
            _tag_with_entry(change, aliases)
        return Reconciliation(
            action="agree",
            champion=champion,
            entry=change,
            entries=entries,
            summary=f"ledger and alias agree on {champion}",
        )
    if change and alias == change.champion_before and not finished:
        sync_champion_alias(model, ledger, aliases)
        return Reconciliation(
            action="finished",
            champion=champion,
            entry=change,
            entries=entries,
            summary=f"finished the {change.kind} of run {change.run}: {alias} -> {champion}",
        )
    entry = ledger.append(
        _manual_change(model, head, alias, clock.now()), head.sequence if head else 0
    )
    _tag_with_entry(entry, aliases)
    return Reconciliation(
        action="manual_alias_change",
        champion=alias,
        entry=entry,
        entries=(*entries, entry),
        summary=f"the alias was moved by hand: {champion} -> {alias}",
    )


def _manual_change(model: str, head: Entry | None, alias: str | None, now: datetime) -> NewEntry:
    before, after = (head.champion_after, head.sequence) if head else (None, 0)
    return NewEntry(
        model=model,
        kind="manual_alias_change",
        run=f"by-hand-after-{after}",
        as_of=now,
        champion_before=before,
        champion_after=alias,
        reasons=(
            f"the alias {CHAMPION} names {alias} where the ledger has {before}: moved by hand",
        ),
    )


def sync_champion_alias(model: str, ledger: Ledger, aliases: Aliases) -> None:
    """Set the alias ``champion`` to the ledger's champion, until the two agree.

    Raises:
        Unavailable: ledger or registry did not answer; running again is safe.
    """

    def attempt() -> None:
        champion = ledger.champion(model, LIVE)
        aliases.set_alias(model, CHAMPION, champion)
        change = _last_champion_change(ledger.entries(model, LIVE))
        if change is not None and change.champion_after != champion:
            raise StaleEvidenceError("the champion changed while its alias was set")
        if change is not None:
            _tag_with_entry(change, aliases)

    compare_and_swap(attempt)


def sync_challenger_alias(state: ReleaseState, ledger: Ledger, aliases: Aliases) -> ReleaseState:
    """Set the alias ``challenger`` to the second version on live traffic, until both agree.

    The ledger decides, so this is safe to repeat and to call after any change.

    Arguments:
        state: the state of the ledger when it was last read.
        ledger: read for newer entries.
        aliases: sets the alias.

    Returns: the state with the ledger's newest entries.

    Raises:
        Unavailable: ledger or registry did not answer; running again is safe.
    """
    model = state.model

    def attempt() -> ReleaseState:
        now = state.after(ledger.entries(model, after=state.sequence))
        version = now.active.challenger if now.active else None
        if aliases.alias(model, CHALLENGER) != version:
            aliases.set_alias(model, CHALLENGER, version)
        if ledger.head(model) != now.head:
            raise StaleEvidenceError("the ledger has grown while the alias was set")
        return now

    return compare_and_swap(attempt)


def _last_champion_change(entries: Sequence[Entry]) -> Entry | None:
    return next((entry for entry in reversed(entries) if entry.moves), None)


def _tag_with_entry(change: Entry, aliases: Aliases) -> None:
    if change.champion_after is not None:
        aliases.tag(change.model, change.champion_after, ENTRY_TAG, change.hash)


def _alias_was_set(model: str, change: Entry | None, aliases: Aliases) -> bool:
    """Whether the alias was set after the newest change of champion.

    A change to no version is recorded only after the alias was deleted, so it counts as set.
    """
    if change is None or change.champion_after is None:
        return True
    return aliases.tags(model, change.champion_after).get(ENTRY_TAG) == change.hash


def _check_ledger_tag(
    model: str, entries: Sequence[Entry], alias: str | None, cited: str | None
) -> None:
    """Raise ``IntegrityError`` if the ledger lacks the entry that the serving version names."""
    if cited is not None and cited not in {entry.hash for entry in entries}:
        raise IntegrityError(
            "the ledger has lost entries",
            where=f"{model}, lineage {LIVE}",
            got=f"version {alias} serves since entry {cited}, which is not in the ledger",
            wanted="every entry that was ever written",
            hint="restore the newest backup of the ledger's database; to begin anew without it, "
            f"remove the tag {ENTRY_TAG} from version {alias}",
        )


def _check_registry(model: str, entries: Sequence[Entry], aliases: Aliases) -> None:
    """Raise ``IntegrityError`` if the registry is not the one with the ledger's versions."""
    former = sorted({entry.champion_after for entry in entries if entry.champion_after}, key=int)
    if former and not any(aliases.tags(model, version) for version in former):
        raise IntegrityError(
            "the registry knows no version that ever was champion",
            where=f"{model}, lineage {LIVE}",
            got=f"no version {', '.join(former)}",
            wanted="the registry that belongs to this ledger",
            hint="set GAUNTLET_MLFLOW_URI and GAUNTLET_LEDGER_URL to two that belong together; if "
            "the versions are lost, restore them, or begin anew under another name",
        )
