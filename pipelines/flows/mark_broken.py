"""Marks a window of events as broken, so that nothing is trained on it; the ledger keeps it."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass

from pipelines.core.errors import SpecError
from pipelines.core.names import unknown_name
from pipelines.core.records import digest_of
from pipelines.core.time import Clock
from pipelines.release.broken_windows.window import BrokenWindow
from pipelines.release.ledger import LIVE, Entry, Ledger, NewEntry
from pipelines.release.lock import in_turn
from pipelines.release.verification import verified_entries
from pipelines.spec.model import ModelSpec
from pipelines.spec.streams import declared_stream


@dataclass(frozen=True)
class MarkCollaborators:
    """What a mark works with.

    Arguments:
        load_spec: reads a declaration by the model's name.
        ledger: records the mark.
        lock: held for one model and lineage.
        clock: gives the current time; the mark counts for runs as of later instants.
    """

    load_spec: Callable[[str], ModelSpec]
    ledger: Ledger
    lock: Callable[[str, str], AbstractContextManager[object]]
    clock: Clock


def mark_broken(model: str, window: BrokenWindow, reason: str, using: MarkCollaborators) -> Entry:
    """Record that a window is broken, or mended. Safe to repeat.

    Arguments:
        model: name of the model.
        window: what is marked.
        reason: why; it stays in the ledger.

    Returns:
        The ledger's entry.

    Raises:
        SpecError: the model does not declare the stream or column, or the reason is empty.
        IntegrityError: the ledger cannot be followed; see ``release.verification``.
        Unavailable: the ledger does not answer.
    """
    _check(using.load_spec(model), window, reason)
    with in_turn(using.lock, model, LIVE):
        entries = verified_entries(model, using.ledger)
        marks = [one for one in entries if one.broken and one.broken.place == window.place]
        if marks and marks[-1].broken == window and reason in marks[-1].reasons:
            using.ledger.witness(entries[-1])  # a killed command may have left it out
            return marks[-1]
        head = entries[-1] if entries else None
        champion, after = (head.champion_after, head.sequence) if head else (None, 0)
        draft = NewEntry(
            model=model,
            kind="broken_window",
            run=f"broken-{digest_of([*map(str, window.place), len(marks)])[:16]}",
            as_of=using.clock.now(),
            champion_before=champion,
            champion_after=champion,
            reasons=(reason,),
            broken=window,
        )
        return using.ledger.append(draft, after)


def _check(spec: ModelSpec, window: BrokenWindow, reason: str) -> None:
    if not reason.strip():
        raise SpecError("a broken window needs a reason", hint="say it with --reason")
    if not window.stream:
        return
    columns = declared_stream(spec.name, spec.streams, window.stream).columns
    if window.column and window.column not in columns:
        raise unknown_name(
            "a stream does not declare this column",
            window.column,
            columns,
            where=f"{spec.name}: streams.{window.stream}.columns",
        )
