"""Streams of events: their source, their columns, and the two times of each row."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated, Literal

from pydantic import Field, model_validator

from pipelines.core.names import Column, Name
from pipelines.spec.fields import ColumnType, Declaration, Duration


class FilesSource(Declaration):
    """Parquet objects under ``<store>/<path>/dt=YYYY-MM-DD/``."""

    kind: Literal["files"] = "files"
    path: str | None = Field(
        default=None, description="folder below the store; default: the stream's name"
    )


class PostgresSource(Declaration):
    """Rows of a PostgreSQL table, read in a read-only, repeatable-read transaction."""

    kind: Literal["postgres"]
    table: str = Field(pattern=r"^[A-Za-z_][\w]*(\.[A-Za-z_][\w]*)?$")
    url_env: str = Field(
        default="GAUNTLET_POSTGRES_URL", description="environment variable that holds the address"
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
    id: tuple[Column, ...] = Field(default=(), description="columns that identify an event")
    columns: dict[Column, ColumnType] = Field(min_length=1)

    @model_validator(mode="after")
    def _names(self) -> Stream:
        reserved = {"event_time", "known_time"} & set(self.columns)
        if reserved:
            raise ValueError(
                f"columns may not be called {sorted(reserved)}: inside, every stream has "
                "event_time and known_time; name them under the keys of that name instead"
            )
        unknown = set(self.id) - set(self.columns)
        if unknown:
            raise ValueError(f"id names columns that are not declared: {sorted(unknown)}")
        return self

    @property
    def known_delay(self) -> timedelta | None:
        """The delay of the declared rule; ``None`` when a column contains the known time."""
        return (
            self.known_time.event_time_plus if isinstance(self.known_time, KnownTimeRule) else None
        )


Streams = dict[Name, Stream]
