"""Connections to SQLite and PostgreSQL, and the translation of their errors."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from sqlalchemy import exc
from sqlalchemy.pool import NullPool, QueuePool

from pipelines.adapters.sqlite import write_ahead
from pipelines.core.errors import IntegrityError, Unavailable
from pipelines.core.patience import attempt_s

_BUSY_TIMEOUT_S = 30
_WANTED = "sqlite:///<file> or postgresql://<user>:<password>@<host>:<port>/<database>"


def open_engine(url: str) -> sa.Engine:
    """Create an engine in autocommit mode: each statement is its own transaction.

    Except in memory, connections are not pooled, so that a process can fork at any time.

    Arguments:
        url: ``sqlite:///file``, ``sqlite://`` (in memory, for tests and backtests), or
            ``postgresql://user:password@host:port/database``.

    Raises:
        Unavailable: when the address is invalid, names another kind of database, or its folder
            cannot be created.
    """
    try:
        address = sa.make_url(url)
    except (exc.ArgumentError, ValueError) as cause:  # a ValueError is about the port
        raise Unavailable("cannot read a database's address", wanted=_WANTED) from cause
    kind = address.get_backend_name()
    if kind == "postgresql":
        return sa.create_engine(
            address.set(drivername="postgresql+psycopg"),
            isolation_level="AUTOCOMMIT",
            poolclass=NullPool,
            connect_args={
                "connect_timeout": int(attempt_s(2)),  # a name can have two addresses
                "tcp_user_timeout": int(1000 * attempt_s(1)),  # milliseconds, for lost packets
            },
        )
    if kind != "sqlite":
        raise Unavailable("no such kind of database", got=kind, wanted=_WANTED)
    # In memory, the database exists in a single connection; threads take turns on it.
    pool: dict[str, Any] = {"poolclass": QueuePool, "pool_size": 1, "max_overflow": 0}
    if address.database and address.database != ":memory:":
        pool = {"poolclass": NullPool}
        _make_folder(Path(address.database).parent)
    engine = sa.create_engine(
        address,
        isolation_level="AUTOCOMMIT",
        connect_args={"timeout": _BUSY_TIMEOUT_S, "check_same_thread": False},
        **pool,
    )

    @sa.event.listens_for(engine, "connect")
    def _settle(connection: Any, _: Any) -> None:
        write_ahead(connection)
        connection.execute("PRAGMA synchronous = FULL")

    return engine


def _make_folder(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as cause:
        raise Unavailable(
            "cannot make the folder of a database",
            where=str(folder),
            got=str(cause),
            hint="make the folder, or name another one",
        ) from cause


def address_of(engine: sa.Engine) -> str:
    """The engine's address without its password."""
    return engine.url.render_as_string(hide_password=True)


@contextmanager
def answered(engine: sa.Engine, what: str) -> Iterator[None]:
    """Map database failures to ``Unavailable`` or ``IntegrityError``; key conflicts pass through.

    Arguments:
        engine: engine whose address appears in the error.
        what: the database, as the subject of the error message.
    """
    try:
        yield
    except exc.IntegrityError:
        raise
    except (exc.OperationalError, exc.InterfaceError, exc.TimeoutError) as cause:
        raise Unavailable(
            f"{what} did not answer",
            where=address_of(engine),
            got=str(getattr(cause, "orig", None) or cause).strip(),
            hint="start the database or mend its address, then run again: nothing is done twice",
        ) from cause
    except exc.DatabaseError as cause:
        raise IntegrityError(
            f"{what} refused",
            where=address_of(engine),
            got=str(cause.orig).strip(),
            wanted="a sound database, and the right to read and to append",
            hint="restore the database from its backup, or mend the role's rights",
        ) from cause
