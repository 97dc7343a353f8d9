"""Imports files into a stream of a model, in turn with its other commands."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path

from pipelines.core.errors import SpecError
from pipelines.core.records import digest_of
from pipelines.data.events import Progress, stream_prefix
from pipelines.data.ingest.files import ImportReport, import_files
from pipelines.data.ingest.reading import ReadOptions
from pipelines.data.objects import ObjectStore
from pipelines.flows.retrain.request import LIVE
from pipelines.release.lock import OtherLock, in_turn
from pipelines.spec.model import ModelSpec
from pipelines.spec.streams import PostgresSource, declared_stream

WAIT_S = 600.0


@dataclass(frozen=True)
class ImportCollaborators:
    """What an import works with.

    Arguments:
        load_spec: reads a declaration by the model's name.
        open_store: opens the object store of a model.
        lock: held for one model and lineage.
        progress: called with short progress messages.
    """

    load_spec: Callable[[str], ModelSpec]
    open_store: Callable[[ModelSpec], ObjectStore]
    lock: Callable[[str, str], AbstractContextManager[object]]
    progress: Progress = lambda _: None


def import_events(
    model: str,
    stream: str,
    files: Sequence[Path],
    reading: ReadOptions,
    collaborators: ImportCollaborators,
    wait_s: float = WAIT_S,
) -> ImportReport:
    """Import files into a stream.

    Rows are compared with the stream and written while no other import writes to the stream, and
    while no retraining of the model is at work. So two imports never write the same rows, and no
    run reads half of an import.

    Arguments:
        model: name of the model.
        stream: name of one of its streams.
        files: CSV with a header, or Parquet.
        reading: options for reading the files.
        collaborators: what the import works with.
        wait_s: longest wait for other commands, in seconds.

    Raises:
        SpecError: when the model does not declare the stream, or its rows are in a database.
        LockedError: when another command is still at work after the wait.
        GauntletError: as ``import_files``.
    """
    spec = collaborators.load_spec(model)
    declared = declared_stream(model, spec.streams, stream)
    if isinstance(declared.source, PostgresSource):
        raise SpecError(
            "the events of this stream are in a database, so files cannot be imported into it",
            where=f"{model}: streams.{stream}.source",
            got=f"table {declared.source.table}",
            hint="add the rows to the table",
        )
    store = collaborators.open_store(spec)
    place = digest_of({"store": store.address, "prefix": stream_prefix(stream, declared)})[:16]

    @contextmanager
    def turn() -> Iterator[None]:
        with (
            in_turn(collaborators.lock, f"stream-{place}", OtherLock.IMPORT, wait_s),
            in_turn(collaborators.lock, model, LIVE, wait_s),
        ):
            yield

    return import_files(
        files,
        stream,
        declared,
        store,
        reading=reading,
        turn=turn,
        progress=collaborators.progress,
    )
