"""Streams of events: their source, their columns, and the two times of each row."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, model_validator

from pipelines.core.names import POSTGRES_LONGEST, Column, Name, clashes, folded, unknown_name
from pipelines.spec.fields import (
    ColumnType,
    Declaration,
    Duration,
    Keys,
    Scalar,
    Zone,
    is_value_of,
)


def _below_the_store(path: str) -> str:
    parts = path.strip("/").split("/")
    if any(part in ("", ".", "..") or len(part.encode()) > 255 for part in parts) or "\\" in path:
        raise ValueError("a path consists of names of folders with / between them, without ..")
    if any(part.startswith("dt=") for part in parts):
        raise ValueError("a path does not contain dt=, which begins the name of a day's folder")
    return path


StorePath = Annotated[str, Field(max_length=500), AfterValidator(_below_the_store)]


class FilesSource(Declaration):
    """Parquet objects under ``<store>/<path>/dt=YYYY-MM-DD/``."""

    kind: Literal["files"] = "files"
    path: StorePath | None = Field(
        default=None, description="folder below the store; default: the stream's name"
    )

    def folder(self, stream: str) -> str:
        """The folder of a stream below the store, without slashes at its ends."""
        return (self.path or stream).strip("/")


TABLE = r"^[A-Za-z_][\w]*(\.[A-Za-z_][\w]*)?$"


class PostgresSource(Declaration):
    """Rows of a PostgreSQL table, read in a read-only, repeatable-read transaction."""

    kind: Literal["postgres"]
    table: str = Field(pattern=TABLE)
    url_env: str = Field(
        default="GAUNTLET_POSTGRES_URL",
        pattern=r"^[A-Za-z_][A-Za-z0-9_]*$",
        description="environment variable that holds the address",
    )
    zone: Zone | None = Field(
        default=None,
        description="whose clock `timestamp` and `date` columns are on; null: they are refused",
    )
    settle: Duration = Field(
        default=timedelta(),
        description="rows with a known time younger than this are not read yet, so that "
        "transactions that began earlier can commit theirs",
    )


class KnownTimeRule(Declaration):
    """The known time of events without such a column: event time plus a declared delay."""

    event_time_plus: Duration


class Stream(Declaration):
    """One stream of events. Both times are instants; rows are only added, never changed."""

    source: Annotated[FilesSource | PostgresSource, Field(discriminator="kind")] = FilesSource()
    event_time: Column = Field(description="column that says when the fact happened")
    known_time: Column | KnownTimeRule = Field(
        description="column that says when production could first have known it, or a rule"
    )
    id: Keys = Field(default=(), description="columns that identify an event")
    columns: dict[Column, ColumnType] = Field(min_length=1)
    defaults: dict[Column, Scalar | None] = Field(
        default={},
        description="values of columns in files that were written before the stream had them; "
        "null: missing",
    )

    @model_validator(mode="after")
    def _names(self) -> Stream:
        problems = [
            f"columns.{name}: it is a name that every stream has inside; declare the column under "
            "event_time or known_time instead"
            for name in self.columns
            if folded(name) in ("event_time", "known_time")
        ]
        names = [self.event_time, *self.columns]
        if not isinstance(self.known_time, KnownTimeRule):
            names.insert(1, self.known_time)
        for pair in clashes(dict.fromkeys(names)):
            for name, other in (pair, pair[::-1]):
                place = f"columns.{name}: " if name in self.columns else ""
                problems.append(
                    f"{place}{name!r} is the same name as {other!r}, because case does not count; "
                    "rename one and import it with --column"
                )
        if unknown := set(self.id) - set(self.columns):
            problems.append(f"id: it names columns that are not declared: {sorted(unknown)}")
        problems += self._wrong_defaults()
        if isinstance(self.source, PostgresSource):
            parts = (*names, *self.source.table.split("."))
            if long := [name for name in parts if len(name.encode()) > POSTGRES_LONGEST]:
                problems.append(
                    f"{long} has more than {POSTGRES_LONGEST} bytes, the limit of PostgreSQL"
                )
        if problems:
            raise ValueError("\n".join(problems))
        return self

    def _wrong_defaults(self) -> list[str]:
        problems = []
        for name, value in self.defaults.items():
            kind = self.columns.get(name)
            if kind is None:
                problems.append(f"defaults.{name}: it is none of the declared columns")
            elif name in self.id:
                problems.append(f"defaults.{name}: a column of the id has no default")
            elif value is not None and not is_value_of(value, kind):
                problems.append(
                    f"defaults.{name}: {value!r} is no {kind.value}; a time can only be null"
                )
        return problems

    @property
    def known_column(self) -> str | None:
        """The column of the known time; ``None`` if it is a rule, or the event time's column."""
        known = self.known_time
        return None if isinstance(known, KnownTimeRule) or known == self.event_time else known

    @property
    def known_delay(self) -> timedelta | None:
        """The delay of the declared rule; ``None`` when a column contains the known time."""
        return (
            self.known_time.event_time_plus if isinstance(self.known_time, KnownTimeRule) else None
        )


Streams = dict[Name, Stream]


def declared_stream(model: str, streams: Streams, name: str) -> Stream:
    """The stream of a model that a person named.

    Raises:
        SpecError: the model does not declare it.
    """
    if name not in streams:
        raise unknown_name(
            "a model does not declare this stream", name, streams, where=f"{model}: streams"
        )
    return streams[name]
