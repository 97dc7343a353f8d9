"""Reconciles the registry's aliases with the ledger, which decides.

The alias ``champion`` is set after the ledger, so it can lag behind it after a kill. It is then
set, and the version is tagged with the hash of the entry that made it champion. The aliases of
segments' champions (``champion-<value>``) are set whenever they differ from the ledger.

When a person or a program moves or deletes the alias ``champion``, nothing follows it: the ledger
knows the champion. The alias is set back, and the ledger records by a ``manual_alias_change`` what
it named. To change the champion by hand, use ``rollback``.

``IntegrityError`` is raised, and nothing is written, when

- the ledger does not pass ``verification``, for example because an entry was forged or deleted;
- the tag of the serving version names an entry that the ledger does not hold: its newest entries
  were lost, for example by a restored backup;
- the registry contains no version that ever was champion: it is empty or a different one;
- the champion's version was deleted from the registry;
- the alias names a version, and the ledger never had a champion.
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
from pipelines.release.rollout.segment_champions import segment_alias
from pipelines.release.rollout.state import ReleaseState
from pipelines.release.verification import verified_entries

ENTRY_TAG = "gauntlet.ledger_entry"


class Reconciliation(Record):
    """The result of a reconciliation. Every action except ``agree`` needs a person's attention."""

    action: Literal["agree", "finished", "restored"]
    champion: str | None
    entry: Entry | None = Field(
        description="the entry that made the champion; for ``restored`` the one that records it"
    )
    entries: tuple[Entry, ...] = Field(description="the ledger as it was read, oldest first")
    summary: str


def reconcile(model: str, ledger: Ledger, aliases: Aliases, clock: Clock) -> Reconciliation:
    """Set the alias ``champion`` as the ledger of the lineage ``live`` says.

    Returns: what was found and done.

    Raises:
        IntegrityError: the ledger or the registry cannot be followed; see the module docstring.
        Unavailable: ledger or registry did not answer; running again is safe.
    """
    return compare_and_swap(lambda: _reconcile_once(model, ledger, aliases, clock))


def _reconcile_once(model: str, ledger: Ledger, aliases: Aliases, clock: Clock) -> Reconciliation:
    entries = verified_entries(model, ledger)
    head = entries[-1] if entries else None
    champion = head.champion_after if head else None
    change = _last_champion_change(entries)
    alias = aliases.alias(model, CHAMPION)
    cited = aliases.tags(model, alias).get(ENTRY_TAG) if alias is not None else None
    finished = _alias_was_set(model, change, aliases)
    if ledger.head(model, LIVE) != head:
        raise StaleEvidenceError("the ledger has grown while the registry was read")
    if head is not None:
        ledger.witness(head)
    _check_ledger_tag(model, entries, alias, cited)
    if alias == champion:
        if change and not finished:
            _tag_with_entry(change, aliases)
        action: Literal["agree", "finished", "restored"] = "agree"
        summary = f"ledger and alias agree on {champion}"
    else:
        _check_registry(model, entries, alias, aliases)
        if change and alias == change.champion_before and not finished:
            action = "finished"
            summary = f"finished the {change.kind} of run {change.run}: {alias} -> {champion}"
        else:
            action, summary = "restored", _moved(alias, champion)
            change = _record_moved_alias(model, entries, summary, ledger, clock.now())
            entries = entries if change == entries[-1] else (*entries, change)
        sync_champion_alias(model, ledger, aliases)
    if any(entry.segments is not None for entry in entries):
        sync_segment_aliases(model, ledger, aliases)
    return Reconciliation(
        action=action, champion=champion, entry=change, entries=entries, summary=summary
    )


def _moved(alias: str | None, champion: str | None) -> str:
    named = f"named version {alias}" if alias else "was deleted"
    return (
        f"the alias {CHAMPION} {named} where the ledger has version {champion}: changed outside "
        f"Gauntlet, and set back to {champion}"
    )


def _record_moved_alias(
    model: str, entries: Sequence[Entry], summary: str, ledger: Ledger, now: datetime
) -> Entry:
    """Record that the alias was moved; once, if the process was killed before it was set back."""
    head = entries[-1]
    if head.kind == "manual_alias_change" and head.reasons == (summary,):
        return head
    new = NewEntry(
        model=model,
        kind="manual_alias_change",
        run=f"by-hand-after-{head.sequence}",
        as_of=now,
        champion_before=head.champion_after,
        champion_after=head.champion_after,
        reasons=(summary,),
    )
    return ledger.append(new, head.sequence)


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


def sync_segment_aliases(model: str, ledger: Ledger, aliases: Aliases) -> None:
    """Set the alias of each segment's champion, and remove those of former ones.

    The ledger decides, so this is safe to repeat and to call after any change. A version that was
    deleted from the registry gets no alias, so that a rollback of its segment remains possible.

    Raises:
        Unavailable: ledger or registry did not answer; running again is safe.
    """

    def attempt() -> None:
        entries = ledger.entries(model, LIVE)
        champions = ReleaseState.from_entries(model, entries).segments
        for value in sorted(v for e in entries if e.segments for v in e.segments.values):
            found = champions.champions.get(value) if champions else None
            name, version = segment_alias(value), found.version if found else None
            gone = version is not None and not exists(model, version, aliases)
            if not gone and aliases.alias(model, name) != version:
                aliases.set_alias(model, name, version)
        if ledger.head(model, LIVE) != (entries[-1] if entries else None):
            raise StaleEvidenceError("the ledger has grown while the aliases were set")

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


def exists(model: str, version: str, aliases: Aliases) -> bool:
    """Whether a version is in the registry. Gauntlet tags every version."""
    return bool(aliases.tags(model, version))


def _last_champion_change(entries: Sequence[Entry]) -> Entry | None:
    return next((entry for entry in reversed(entries) if entry.moves), None)


def _tag_with_entry(change: Entry, aliases: Aliases) -> None:
    if change.champion_after is not None:
        aliases.tag(change.model, change.champion_after, ENTRY_TAG, change.hash)


def _alias_was_set(model: str, change: Entry | None, aliases: Aliases) -> bool:
    """Whether the alias was set after the newest change of champion."""
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
            f"remove the tag {ENTRY_TAG} and the alias {CHAMPION} from version {alias}",
        )


def _check_registry(
    model: str, entries: Sequence[Entry], alias: str | None, aliases: Aliases
) -> None:
    """Raise ``IntegrityError`` unless the registry has the champion that the ledger names."""
    champion = entries[-1].champion_after if entries else None
    former = sorted({entry.champion_after for entry in entries if entry.champion_after}, key=int)
    if not former:
        raise IntegrityError(
            f"the alias {CHAMPION} names a version that is not in the ledger",
            where=f"{model}, lineage {LIVE}",
            got=f"version {alias}",
            wanted="a version that `gauntlet retrain` made and promoted",
            hint="if the ledger was lost, restore its backup; else remove the alias and run again",
        )
    if not any(exists(model, version, aliases) for version in former):
        raise IntegrityError(
            "the registry has no version that was ever champion",
            where=f"{model}, lineage {LIVE}",
            got=f"no version {', '.join(former)}",
            wanted="the registry that belongs to this ledger",
            hint="set GAUNTLET_MLFLOW_URI and GAUNTLET_LEDGER_URL to two that belong together; if "
            "the versions are lost, restore them, or begin anew under another name",
        )
    if champion is not None and not exists(model, champion, aliases):
        raise IntegrityError(
            "the champion's version was deleted from the registry",
            where=f"{model}, lineage {LIVE}",
            got=f"no version {champion}",
            wanted=f"version {champion}, which the ledger has as champion",
            hint=f"restore it, or `gauntlet rollback {model} --reason WHY` to the newest former "
            "champion that exists",
        )
