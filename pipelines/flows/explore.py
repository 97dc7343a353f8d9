"""Read-only exploration of production's data as of an instant, with readers' credentials.

The data is copied into the session's own database, which is then opened read-only, without access
to files or the network, and with locked settings. Production is only read; ledger, registry and
online store are not opened. Pulled events are kept in ``<home>/explore``, apart from the cache of
retraining: a reader with access to fewer rows than production would leave notes there that a
retraining would mistake for rewritten history.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from pipelines.core.errors import GauntletError, SpecError
from pipelines.core.time import Clock, refuse_future
from pipelines.data.canonical import quoted
from pipelines.data.connection import open_duckdb
from pipelines.data.events import Progress
from pipelines.data.paths import database_path
from pipelines.data.reader import EventReader
from pipelines.data.snapshot import Snapshot
from pipelines.spec.model import ModelSpec

if TYPE_CHECKING:
    import ibis
    import pandas as pd
    import pyarrow as pa

FRAME = "frame"
FOLDER = "explore"


@dataclass(frozen=True)
class Readers:
    """The collaborators of exploration; ``wiring.connect_readers`` uses readers' credentials."""

    home: Path
    load_spec: Callable[[str], ModelSpec]
    open_events: Callable[[ModelSpec], EventReader]
    clock: Clock
    progress: Progress = lambda _: None

    @property
    def folder(self) -> Path:
        """The folder of events that were pulled for exploration, and of the shell's history."""
        return self.home / FOLDER


class Exploration:
    """A model's streams and decision points as of an instant, in a read-only database.

    Close it, or use it as a context manager: closing deletes the database.
    """

    def __init__(
        self, spec: ModelSpec, snapshot: Snapshot, database: Path, folder: TemporaryDirectory[str]
    ) -> None:
        self.spec, self.snapshot, self.database = spec, snapshot, database
        self.connection = _locked(database)
        self._folder = folder

    @property
    def streams(self) -> dict[str, ibis.Table]:
        """Each declared stream as a lazy Ibis table."""
        return {name: self.connection.table(name) for name in self.spec.streams}

    @property
    def frame(self) -> ibis.Table:
        """Every decision point with its features and label, as used in training; lazy."""
        table: ibis.Table = self.connection.table(FRAME)
        return table

    def sql(self, query: str) -> pd.DataFrame:
        """Run a query. Its tables are the streams, by name, and ``frame``.

        Raises:
            GauntletError: DuckDB cannot run the query, or the query would write.
        """
        with _answers(query):
            found: pd.DataFrame = self._done(query).df()
        return found

    def rows(self, query: str, most: int | None = None) -> pa.Table:
        """The result of a query, or its first rows, as an Arrow table.

        Raises:
            GauntletError: as ``sql``.
        """
        import pyarrow as pa

        with _answers(query):
            reader = self._done(query).to_arrow_reader(most or 100_000)
            batches: list[pa.RecordBatch] = []
            while most is None or sum(map(len, batches)) < most:
                try:
                    batches.append(reader.read_next_batch())
                except StopIteration:
                    break
            return pa.Table.from_batches(batches, reader.schema).slice(0, most)

    def _done(self, query: str) -> Any:
        """The result from DuckDB. There is none if the text contains no statement."""
        done = self.connection.con.execute(query)
        if done is None:
            raise GauntletError(
                "there is nothing to answer",
                where="the query",
                got=repr(query),
                wanted="a statement, such as SELECT count(*) FROM frame",
            )
        return done

    def close(self) -> None:
        """Close the session and delete its database."""
        self.connection.disconnect()
        self._folder.cleanup()

    def __enter__(self) -> Exploration:
        return self

    def __exit__(self, *_raised: object) -> None:
        self.close()


def open_exploration(model: str, as_of: datetime | None, readers: Readers) -> Exploration:
    """Open a model's production streams as of an instant.

    Arguments:
        model: a declared model.
        as_of: zoned, not in the future; None: now.
        readers: the collaborators to read with.

    Raises:
        TimeError: as-of is in the future.
        DataError: events are missing or contradict their declaration.
        Unavailable: a source does not answer, or refuses the reader.
    """
    spec, now = readers.load_spec(model), readers.clock.now()
    moment = now if as_of is None else as_of
    refuse_future(moment, now, f"model {model}")
    if FRAME in spec.streams:
        raise SpecError(
            f"a stream called {FRAME!r} cannot be explored",
            where=f"{model}: streams",
            hint="rename the stream: this is what the decision points are called",
        )
    events = readers.open_events(spec)
    snapshot = events.snapshot(spec.streams, moment)
    readers.progress("copying the streams")
    folder = TemporaryDirectory(prefix="gauntlet-explore-")
    try:
        database = Path(folder.name) / f"{model}.duckdb"
        _prepare(database, spec, snapshot, events)
        return Exploration(spec, snapshot, database, folder)
    except BaseException:
        folder.cleanup()
        raise


def _prepare(database: Path, spec: ModelSpec, snapshot: Snapshot, events: EventReader) -> None:
    """Copy the streams into a database, with the frame as a view of them."""
    import ibis

    from pipelines.features.frame import build_frame

    connection = open_duckdb(database_path(database))
    try:
        for name, table in events.attach(connection, snapshot, spec.streams).items():
            connection.raw_sql(f"CREATE TABLE {quoted(name)} AS {ibis.to_sql(table, 'duckdb')}")
        tables = {name: connection.table(name) for name in spec.streams}
        frame = ibis.to_sql(build_frame(spec.frame, tables, snapshot.as_of), "duckdb")
        connection.raw_sql(f"CREATE VIEW {FRAME} AS {frame}")
    finally:
        connection.disconnect()


def _locked(database: Path) -> Any:
    """Open the database read-only, without external access, and with locked settings."""
    connection = open_duckdb(database_path(database), read_only=True)
    connection.raw_sql("SET enable_external_access = false")
    connection.raw_sql("SET lock_configuration = true")
    return connection


@contextmanager
def _answers(query: str) -> Iterator[None]:
    import duckdb

    try:
        yield
    except duckdb.Error as cause:
        raise GauntletError(
            "DuckDB did not do this",
            where=" ".join(query.split())[:200],
            got=str(cause).strip(),
            wanted="a query; this session reads the snapshot and writes nowhere",
            hint="`SHOW TABLES` and `DESCRIBE <table>` say what there is",
        ) from cause
