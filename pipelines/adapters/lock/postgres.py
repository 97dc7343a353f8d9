"""The lock as a PostgreSQL advisory lock, which is released when its session ends."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert

from pipelines.adapters.database import answered
from pipelines.core.time import Clock
from pipelines.release.lock import Holder, refuse

_METADATA = sa.MetaData()
# Only describes the holders; the advisory lock decides whether a lock is held.
HOLDERS = sa.Table(
    "gauntlet_lock",
    _METADATA,
    sa.Column("name", sa.Text, primary_key=True),
    sa.Column("process", sa.Text, nullable=False),
    sa.Column("since", sa.DateTime(timezone=True), nullable=False),
)
_SETUP_KEY = 4714119022


class PostgresLock:
    """``pipelines.release.lock.Lock`` for many machines.

    It needs its own session: do not connect through a pooler that shares sessions between
    transactions, but to the server directly.

    Arguments:
        engine: from ``pipelines.adapters.database.open_engine``, to PostgreSQL.
        clock: gives the time at which the lock was taken.
    """

    def __init__(self, engine: sa.Engine, clock: Clock) -> None:
        self._engine, self._clock = engine, clock

    @contextmanager
    def hold(self, model: str, lineage: str, process: str) -> Iterator[Holder]:
        """Hold the lock during a ``with`` block; see the port."""
        name = f"{model}.{lineage}"
        with answered(self._engine, "the lock's database"):
            connection = self._engine.connect()
        with connection:
            with answered(self._engine, "the lock's database"):
                create_holders(connection)
                connection.execute(sa.text("SET idle_session_timeout = 0"))
                key = _key(name)
                taken = connection.execute(sa.select(sa.func.pg_try_advisory_lock(key))).scalar()
                if not taken:
                    raise refuse(model, lineage, _holder(connection, name))
                holder = Holder(process=process, since=self._clock.now())
                signature = {"process": holder.process, "since": holder.since}
                connection.execute(
                    insert(HOLDERS)
                    .values(name=name, **signature)
                    .on_conflict_do_update(index_elements=["name"], set_=signature)
                )
            yield holder
            # Closing the session releases the lock.


def create_holders(connection: sa.Connection) -> None:
    """Create the table of holders; processes that start at the same time take turns.

    Where the account that takes locks may not create tables, another account calls this before.
    """
    if sa.inspect(connection).has_table(HOLDERS.name):
        return
    turn = sa.func.pg_advisory_lock(_SETUP_KEY), sa.func.pg_advisory_unlock(_SETUP_KEY)
    connection.execute(sa.select(turn[0]))
    try:
        connection.execute(sa.schema.CreateTable(HOLDERS, if_not_exists=True))
    finally:
        connection.execute(sa.select(turn[1]))


def _key(name: str) -> int:
    """The lock's number: 63 bits of a hash."""
    return int.from_bytes(hashlib.sha256(f"gauntlet.lock.{name}".encode()).digest()[:8]) >> 1


def _holder(connection: sa.Connection, name: str) -> Holder | None:
    query = sa.select(HOLDERS.c.process, HOLDERS.c.since).where(HOLDERS.c.name == name)
    row = connection.execute(query).one_or_none()
    return Holder(process=row.process, since=row.since) if row else None
