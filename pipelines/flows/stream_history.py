"""Drops days of a stream, or accepts its rewritten history; the ledger keeps the reason."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import date

from pipelines.core.errors import SpecError
from pipelines.core.records import Record, digest_of
from pipelines.core.time import Clock
from pipelines.data.cache import Cache
from pipelines.data.events import is_event_object, partition_day, stream_prefix
from pipelines.data.objects import ObjectStore, StoredObject
from pipelines.data.reader import EventReader
from pipelines.flows.retrain.request import LIVE
from pipelines.release.ledger import Ledger, NewEntry
from pipelines.release.lock import OtherLock, in_turn
from pipelines.spec.model import ModelSpec
from pipelines.spec.streams import FilesSource, Stream, declared_stream


@dataclass(frozen=True)
class HistoryCollaborators:
    """What a change of a stream's history works with.

    Arguments:
        load_spec: reads a declaration by the model's name.
        open_store: opens the object store of a model.
        open_events: opens the event streams of a model.
        ledger: records the change.
        lock: held for one model and lineage.
        clock: gives the current time.
    """

    load_spec: Callable[[str], ModelSpec]
    open_store: Callable[[ModelSpec], ObjectStore]
    open_events: Callable[[ModelSpec], EventReader]
    ledger: Ledger
    lock: Callable[[str, str], AbstractContextManager[object]]
    clock: Clock


class DroppedDays(Record):
    """What was dropped of a stream, and the ledger's entry about it."""

    stream: str
    first: date
    last: date
    objects: int
    entry: int | None


def drop_days(
    model: str, stream: str, days: tuple[date, date], reason: str, using: HistoryCollaborators
) -> DroppedDays:
    """Delete a stream's objects of some days, so that these days can be imported again.

    The entry is written first, then a note of what is deleted. A killed command that is run again
    finds the note, and deletes what is left under the same entry.

    Arguments:
        model: name of the model.
        stream: one of its streams, in files.
        days: first and last day of known time, both included.
        reason: why, for the ledger.

    Raises:
        SpecError: when there is no such stream, it is in a database, or the reason is empty.
        Unavailable: when store or ledger does not answer.
    """
    spec = using.load_spec(model)
    declared = _checked(spec, stream, reason)
    if not isinstance(declared.source, FilesSource):
        raise SpecError(
            "the rows of this stream are in a database",
            where=f"{model}: streams.{stream}.source",
            hint="delete them there, and accept the change with `gauntlet stream accept`",
        )
    first, last = days
    if first > last:
        raise SpecError("the days end before they begin", got=f"{first} to {last}")
    store, prefix = using.open_store(spec), stream_prefix(stream, declared)
    place = digest_of({"store": store.address, "prefix": prefix})[:16]
    with (
        in_turn(using.lock, f"stream-{place}", OtherLock.IMPORT),
        in_turn(using.lock, model, LIVE),
    ):
        doomed = [one for one in store.list(prefix) if _lies_in(one, prefix, days)]
        events, subject = using.open_events(spec), [place, f"{first} to {last}", reason]
        notes, rows = Cache(events.cache), {one.key: one.etag for one in doomed}
        begun = notes.note("drop", subject)
        if begun is not None and rows.items() <= begun["rows"].items():
            rows, entry = begun["rows"], begun["entry"]
        elif doomed:
            what = f"dropped {len(doomed)} objects of {stream}, {first} to {last}: {reason}"
            about = digest_of(", ".join(f"{key} {etag}" for key, etag in rows.items()))
            entry = _record(model, what, about, using)
            notes.keep_note("drop", subject, {"rows": rows, "entry": entry})
        else:
            entry = None
        for one in doomed:
            store.delete(one)
        events.forget({stream: declared})
        notes.drop_note("drop", subject)
    return DroppedDays(stream=stream, first=first, last=last, objects=len(rows), entry=entry)


def accept_history(model: str, stream: str, reason: str, using: HistoryCollaborators) -> int | None:
    """Accept a stream as its source has it now, whatever was read before.

    The entry is written first. A killed command that is run again finds its entry.

    Returns:
        Sequence of the ledger's entry; None when the source still has all rows that were read, so
        that there is nothing to accept and nothing is recorded.

    Raises:
        SpecError: when there is no such stream, or the reason is empty.
        Unavailable: when source or ledger does not answer.
    """
    spec = using.load_spec(model)
    declared = _checked(spec, stream, reason)
    with in_turn(using.lock, model, LIVE):
        events, what = using.open_events(spec), f"accepted the history of {stream} as it is"
        if not events.is_rewritten({stream: declared}, using.clock.now()):
            return None
        about = events.remembered({stream: declared})
        entry = _record(model, f"{what}: {reason}", about, using)
        events.forget({stream: declared})
    return entry


def _checked(spec: ModelSpec, name: str, reason: str) -> Stream:
    declared = declared_stream(spec.name, spec.streams, name)
    if not reason.strip():
        raise SpecError("a change of history needs a reason", hint="say it with --reason")
    return declared


def _lies_in(stored: StoredObject, prefix: str, days: tuple[date, date]) -> bool:
    key = stored.key[len(prefix) :]
    day = partition_day(key)
    return is_event_object(key) and day is not None and days[0] <= day <= days[1]


def _record(model: str, what: str, about: str, using: HistoryCollaborators) -> int:
    head = using.ledger.head(model)
    champion = head.champion_after if head else None
    after = head.sequence if head else 0
    run = f"history-{digest_of([what, about])[:16]}"
    draft = NewEntry(
        model=model,
        kind="history",
        run=run,
        as_of=using.clock.now(),
        champion_before=champion,
        champion_after=champion,
        reasons=(what,),
    )
    return using.ledger.append(draft, after).sequence
