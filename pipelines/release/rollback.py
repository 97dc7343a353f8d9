"""Rollback: restores a former champion. Writes the ledger first, then the alias.

A person, a canary's harm or a holdback restores by an entry of kind ``rollback``, the stop-loss of
refreshes by one of kind ``stop``. A segment that has a champion of its own returns to the champion
by an entry of kind ``segment_rollback``.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from pipelines.core.errors import GauntletError
from pipelines.core.findings import Finding
from pipelines.core.time import Clock
from pipelines.release.ledger import LIVE, Entry, Ledger, NewEntry
from pipelines.release.reconciliation import (
    exists,
    reconcile,
    sync_champion_alias,
    sync_segment_aliases,
)
from pipelines.release.registry import Aliases
from pipelines.release.rollout.segment_champions import SegmentChange
from pipelines.release.rollout.state import ReleaseState
from pipelines.release.verification import verified_entries
from pipelines.release.version_facts import no_such_version

_RESTORED = ("rollback", "stop")
_UNDONE = (*_RESTORED, "manual_alias_change")


@dataclass(frozen=True)
class RollbackRequest:
    """What to roll back, and why.

    Arguments:
        run: id of this rollback; repeating it with the same id does nothing more.
        reason: why, in a sentence; it is stored in the ledger.
        to: a version that has been champion in this lineage; None: the newest of
            ``former_champions`` that the registry has; right after another rollback, nothing more
            happens.
        kind: of the ledger's entry.
        as_of: of the evidence; None: the present.
        recipe: of both versions, where a stop or a holdback undoes a refresh.
        findings: that the rollback follows from.
    """

    model: str
    run: str
    reason: str
    to: str | None = None
    lineage: str = LIVE
    kind: Literal["rollback", "stop"] = "rollback"
    as_of: datetime | None = None
    recipe: str = ""
    findings: tuple[Finding, ...] = ()


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
            champion here, is champion now, or is no longer in the registry; or no version is named
            and segments have champions of their own.
        IntegrityError: the ledger cannot be followed; see ``verification``.
        StaleEvidenceError: the champion changed meanwhile.
    """
    model, lineage, run, to = request.model, request.lineage, request.run, request.to
    where = f"{model}, lineage {lineage}"
    _check_reason(request.reason, where)
    chain = verified_entries(model, ledger, lineage, chosen=True)
    state = ReleaseState.from_entries(model, chain)
    reconcilable = lineage != LIVE or _can_reconcile(state, aliases)
    if lineage == LIVE and reconcilable:
        found = reconcile(model, ledger, aliases, clock)
        done = found.entry if found.action != "agree" else None
        if done and done.kind in _UNDONE and to in (None, done.champion_after):
            return done  # an interrupted rollback, or an alias set back: this call completes it
        state = ReleaseState.from_entries(model, found.entries)
    made = [entry for entry in ledger.of_run(model, lineage, run) if entry.kind == request.kind]
    if made:
        return made[0]
    last = next((entry for entry in reversed(state.entries) if entry.moves), None)
    skipped: tuple[str, ...] = ()
    if to is None:
        _check_one_champion(state)
        if last is not None and last.kind == "rollback" and reconcilable:
            return last  # repeated: to go further back, name the version
        to, skipped = _newest(state, aliases if lineage == LIVE else None)
    _check_former(state, to, ledger, lineage)
    if lineage == LIVE and not exists(model, to, aliases):
        raise no_such_version(model, to)  # before anything is recorded
    check_servable(to)
    new = NewEntry(
        model=model,
        lineage=lineage,
        kind=request.kind,
        run=run,
        as_of=request.as_of or clock.now(),
        champion_before=state.champion,
        champion_after=to,
        reasons=(request.reason, *([_gone(skipped)] if skipped else [])),
        recipe=request.recipe,
        findings=request.findings,
    )
    entry = ledger.append(new, after=state.sequence)
    if lineage == LIVE:
        sync_champion_alias(model, ledger, aliases)
        sync_segment_aliases(model, ledger, aliases)
    return entry


def rollback_segments(
    request: RollbackRequest,
    values: Sequence[str],
    ledger: Ledger,
    aliases: Aliases,
    clock: Clock,
) -> Entry:
    """Return segments to the champion, at once. Safe to repeat: it then does nothing more.

    Arguments:
        request: the model, run and reason; nothing else of it is used.
        values: the segments.

    Raises:
        GauntletError: no reason is given, or a segment never had a champion of its own.
        IntegrityError: the ledger cannot be followed; see ``verification``.
        StaleEvidenceError: the ledger has grown meanwhile.
    """
    model = request.model
    _check_reason(request.reason, model)
    found = reconcile(model, ledger, aliases, clock)
    state = ReleaseState.from_entries(model, found.entries)
    present = state.segments.champions if state.segments else {}
    ended = [value for value in dict.fromkeys(values) if value in present]
    if not ended:
        return _returned_before(state, values)
    if strange := [value for value in values if value not in present]:
        raise _no_segment_champion(state, strange)
    column = state.segments.column if state.segments else ""
    new = NewEntry(
        model=model,
        kind="segment_rollback",
        run=request.run,
        as_of=clock.now(),
        champion_before=state.champion,
        champion_after=state.champion,
        reasons=(request.reason,),
        segments=SegmentChange(column=column, values=tuple(ended), version=None),
    )
    entry = ledger.append(new, after=state.sequence)
    sync_segment_aliases(model, ledger, aliases)
    return entry


def _returned_before(state: ReleaseState, values: Sequence[str]) -> Entry:
    """The newest rollback of segments, if it returned all of these."""
    newest = next((entry for entry in reversed(state.entries) if entry.changes_champions), None)
    ended = newest.segments if newest and newest.kind == "segment_rollback" else None
    if newest is not None and ended is not None and values and set(values) <= set(ended.values):
        return newest
    raise _no_segment_champion(state, values)


def _no_segment_champion(state: ReleaseState, values: Sequence[str]) -> GauntletError:
    present = state.segment_champions
    return GauntletError(
        "a segment has no champion of its own",
        where=state.model,
        got=", ".join(values) or "no segment",
        wanted=f"one of: {present}" if present else "a segment that a canary promoted for",
        hint=f"`gauntlet champion {state.model}` shows who answers which segment",
    )


def _check_reason(reason: str, where: str) -> None:
    if not reason.strip():
        raise GauntletError("a rollback needs a reason", where=where, hint="say why: --reason ...")


def _check_one_champion(state: ReleaseState) -> None:
    """Raise if a rollback without a version could mean the champion or that of a segment."""
    if state.segments is None:
        return
    raise GauntletError(
        "segments have champions of their own",
        where=state.model,
        got=f"{state.segment_champions}; version {state.champion} for all others",
        wanted="--segment VALUE, to return one to the champion, or --to VERSION, which then "
        "answers all entities",
        hint=f"`gauntlet ledger {state.model}` shows who was champion",
    )


def former_champions(chain: Sequence[Entry]) -> tuple[str, ...]:
    """The champions that a rollback may restore by default, newest first.

    It never restores a version that an earlier rollback removed.
    """
    former: list[str | None] = []
    for entry in chain:
        to = entry.champion_after
        if entry.kind in _RESTORED and to in former:
            while former[-1] != to:
                former.pop()
        elif entry.moves:
            former.append(to)
    present = chain[-1].champion_after if chain else None
    return tuple(dict.fromkeys(one for one in reversed(former) if one and one != present))


def _can_reconcile(state: ReleaseState, aliases: Aliases) -> bool:
    """Whether the champion is there and was decided; else this rollback has to replace it first."""
    champion = state.champion
    if champion is not None and not exists(state.model, champion, aliases):
        return False
    return state.moved_by_hand is None


def _newest(state: ReleaseState, aliases: Aliases | None) -> tuple[str, tuple[str, ...]]:
    """The newest former champion that the registry has, and the newer ones that it lacks."""
    skipped: list[str] = []
    for version in former_champions(state.entries):
        if aliases is None or exists(state.model, version, aliases):
            return version, tuple(skipped)
        skipped.append(version)
    raise GauntletError(
        "there is nothing to roll back to",
        where=state.model,
        got=f"the champion is version {state.champion}, and there was none before it"
        + (f" that still exists; {_gone(skipped)}" if skipped else ""),
        hint=f"`gauntlet ledger {state.model}` shows who was champion; --to names one of them",
    )


def _check_former(state: ReleaseState, to: str, ledger: Ledger, lineage: str) -> None:
    """Raise unless a version was champion and is not now, or only became so by hand."""
    possible = {entry.champion_after for entry in state.entries} - {None}
    if state.moved_by_hand is None:
        possible -= {state.champion}
    if to not in possible:
        raise GauntletError(
            "only a former champion can be restored",
            where=state.model,
            got=f"version {to}; the champion is "
            + (f"version {state.champion}" if state.champion else "none"),
            wanted=f"one of {sorted(map(str, possible))}" if possible else "a former champion",
            hint=_hint_about_backfills(state.model, to, ledger, lineage),
        )


def _hint_about_backfills(model: str, version: str, ledger: Ledger, lineage: str) -> str:
    """What to do with a version that a backfill made; "" for other versions."""
    for other in ledger.lineages(model):
        made = any(entry.candidate == version for entry in ledger.entries(model, other))
        if other != lineage and made:
            return (
                f"version {version} is of lineage {other} and cannot serve; "
                f"`gauntlet adopt {model} --lineage {other}` trains the recipe of that lineage's "
                "last champion as of now, and judges it"
            )
    return ""


def _gone(versions: Sequence[str]) -> str:
    named = f"version {versions[0]}" if len(versions) == 1 else f"versions {', '.join(versions)}"
    return f"{named} skipped: no longer in the registry"
