"""The ledger in a database: one table definition for SQLite and PostgreSQL.

Each statement is its own transaction, and the database's unique keys provide compare-and-swap: an
entry is one INSERT, which fails if the next place in its chain is taken. Triggers refuse UPDATE,
DELETE and, in PostgreSQL, TRUNCATE.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from functools import lru_cache
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from sqlalchemy import exc

from pipelines.adapters.database import address_of, answered
from pipelines.core.time import Clock, epoch_us
from pipelines.release.ledger import LIVE, Entry, NewEntry, chain_errors, check_head, damaged
from pipelines.release.witness import Witness, WitnessedEntry

_METADATA = sa.MetaData()
ENTRIES = sa.Table(
    "gauntlet_ledger",
    _METADATA,
    sa.Column("model", sa.Text, primary_key=True),
    sa.Column("lineage", sa.Text, primary_key=True),
    sa.Column("sequence", sa.BigInteger, primary_key=True, autoincrement=False),
    sa.Column("run", sa.Text, nullable=False),
    sa.Column("kind", sa.Text, nullable=False),
    sa.Column("recorded_us", sa.BigInteger, nullable=False),
    sa.Column("hash", sa.Text, nullable=False),
    sa.Column("body", sa.Text, nullable=False),
    sa.UniqueConstraint("model", "lineage", "run", "kind"),
    sa.UniqueConstraint("hash"),
)
_REFUSAL = "the ledger is append-only"
# INSERT OR REPLACE in SQLite deletes without firing the DELETE trigger, so it has its own guard.
_TAKEN = (
    "EXISTS (SELECT 1 FROM gauntlet_ledger WHERE hash = NEW.hash OR "
    "(model = NEW.model AND lineage = NEW.lineage AND "
    "(sequence = NEW.sequence OR (run = NEW.run AND kind = NEW.kind))))"
)
_GUARDS = {
    "sqlite": tuple(
        f"CREATE TRIGGER gauntlet_ledger_{name} BEFORE {event} ON gauntlet_ledger "
        f"BEGIN SELECT RAISE(ABORT, '{_REFUSAL}') WHERE {condition}; END"
        for name, event, condition in (
            ("no_update", "UPDATE", "TRUE"),
            ("no_delete", "DELETE", "TRUE"),
            ("no_replace", "INSERT", _TAKEN),
        )
    ),
    "postgresql": (
        f"""CREATE FUNCTION gauntlet_ledger_refuse() RETURNS trigger LANGUAGE plpgsql AS
        $$ BEGIN RAISE EXCEPTION '{_REFUSAL}' USING ERRCODE = 'restrict_violation'; END $$""",
        """CREATE TRIGGER gauntlet_ledger_no_change BEFORE UPDATE OR DELETE ON gauntlet_ledger
        FOR EACH ROW EXECUTE FUNCTION gauntlet_ledger_refuse()""",
        """CREATE TRIGGER gauntlet_ledger_no_truncate BEFORE TRUNCATE ON gauntlet_ledger
        FOR EACH STATEMENT EXECUTE FUNCTION gauntlet_ledger_refuse()""",
    ),
}
_GUARD_NAMES = {
    "sqlite": "SELECT name FROM sqlite_master WHERE type = 'trigger' "
    "AND tbl_name = 'gauntlet_ledger'",
    "postgresql": "SELECT tgname FROM pg_trigger WHERE tgrelid = 'gauntlet_ledger'::regclass "
    "AND NOT tgisinternal AND tgenabled IN ('O', 'A')",
}
_EXPECTED = {
    "sqlite": {f"gauntlet_ledger_no_{name}" for name in ("update", "delete", "replace")},
    "postgresql": {f"gauntlet_ledger_no_{name}" for name in ("change", "truncate")},
}


class SqlLedger:
    """``pipelines.release.ledger.Ledger`` on SQLite or PostgreSQL.

    Arguments:
        engine: from ``open_engine``.
        clock: gives the recorded time of each entry.
        witness: knows the newest entry of each chain outside the database.
    """

    def __init__(self, engine: sa.Engine, clock: Clock, witness: Witness | None = None) -> None:
        self._engine, self._clock, self._witness = engine, clock, witness
        self._ready = False
        self._parse = lru_cache(maxsize=256)(_parse)  # a run reads its chain several times

    def append(self, draft: NewEntry, after: int) -> Entry:
        """Add an entry, unless the chain has changed since ``after``; see the port."""
        # Read the head first: a concurrent attempt of this run is then found here or by the keys.
        head = self.head(draft.model, draft.lineage)
        if known := self._known(draft):
            self.witness(known)
            return known
        check_head(draft, after, head)
        entry = Entry.append_to(draft, head, self._clock.now())
        row = {
            **{key: getattr(entry, key) for key in ("model", "lineage", "sequence", "run", "kind")},
            "recorded_us": epoch_us(entry.recorded_at),
            "hash": entry.hash,
            "body": entry.body,
        }
        try:
            with self._connection() as connection:
                connection.execute(ENTRIES.insert().values(row))
        except exc.IntegrityError:
            if known := self._known(draft):
                return known
            check_head(draft, after, self.head(draft.model, draft.lineage))
            raise
        self.witness(entry)
        return entry

    def entries(self, model: str, lineage: str = LIVE, after: int = 0) -> tuple[Entry, ...]:
        """The chain, oldest first; see the port."""
        c = ENTRIES.c
        return self._read(c.model == model, c.lineage == lineage, c.sequence > after)

    def head(self, model: str, lineage: str = LIVE) -> Entry | None:
        """The newest entry; None in an empty chain."""
        return self._newest(model, lineage)

    def of_run(self, model: str, lineage: str, run: str) -> tuple[Entry, ...]:
        """The entries of a run, oldest first."""
        c = ENTRIES.c
        return self._read(c.model == model, c.lineage == lineage, c.run == run)

    def champion(self, model: str, lineage: str = LIVE, at: datetime | None = None) -> str | None:
        """The champion, now or as recorded by the instant ``at`` (inclusive)."""
        until = () if at is None else (ENTRIES.c.recorded_us <= epoch_us(at),)
        newest = self._newest(model, lineage, *until)
        return newest.champion_after if newest else None

    def lineages(self, model: str) -> tuple[str, ...]:
        """Every lineage that has an entry, in alphabetical order."""
        if self._absent:
            return ()
        query = sa.select(ENTRIES.c.lineage).where(ENTRIES.c.model == model).distinct()
        with self._connection() as connection:
            return tuple(sorted(connection.execute(query).scalars()))

    def witnessed(self, model: str, lineage: str = LIVE) -> WitnessedEntry | None:
        """The newest entry that the witness knows; see the port."""
        return self._witness.newest(model, lineage) if self._witness else None

    def witness(self, entry: Entry) -> None:
        """Record an entry with the witness; see the port."""
        if self._witness is not None:
            newest = WitnessedEntry(sequence=entry.sequence, hash=entry.hash)
            self._witness.record(entry.model, entry.lineage, newest)

    def verify(self, model: str) -> int:
        """Check every chain of the model, and the database's guards against changes."""
        kind = self._engine.dialect.name
        with self._connection() as connection:
            guards = set(connection.execute(sa.text(_GUARD_NAMES[kind])).scalars())
        found = [f"the trigger {name} is gone" for name in sorted(_EXPECTED[kind] - guards)]
        query = sa.select(ENTRIES).where(ENTRIES.c.model == model)
        chains: dict[str, list[Entry]] = {}
        with self._connection() as connection:
            rows = connection.execute(query.order_by(ENTRIES.c.lineage, ENTRIES.c.sequence)).all()
        for row in rows:
            entry, wrong = self._parse(tuple(row))
            found.extend(wrong)
            if entry is not None:
                chains.setdefault(row.lineage, []).append(entry)
        found.extend(fault for chain in chains.values() for fault in chain_errors(chain))
        if found:
            raise damaged(list(dict.fromkeys(found)), self._where)
        return len(rows)

    def _known(self, draft: NewEntry) -> Entry | None:
        same = self.of_run(draft.model, draft.lineage, draft.run)
        return next((entry for entry in same if entry.kind == draft.kind), None)

    def _newest(
        self, model: str, lineage: str, *conditions: sa.ColumnElement[bool]
    ) -> Entry | None:
        c = ENTRIES.c
        found = self._read(
            c.model == model, c.lineage == lineage, *conditions, order=c.sequence.desc(), limit=1
        )
        return found[0] if found else None

    def _read(
        self,
        *conditions: sa.ColumnElement[bool],
        order: sa.ColumnElement[Any] | None = None,
        limit: int | None = None,
    ) -> tuple[Entry, ...]:
        if self._absent:
            return ()
        by = ENTRIES.c.sequence if order is None else order
        query = sa.select(ENTRIES).where(*conditions).order_by(by).limit(limit)
        with self._connection() as connection:
            rows = connection.execute(query).all()
        return tuple(self._sound(row) for row in rows)

    def _sound(self, row: sa.Row[Any]) -> Entry:
        entry, errors = self._parse(tuple(row))
        if entry is None or errors:
            raise damaged(errors, self._where)
        return entry

    @property
    def _where(self) -> str:
        return address_of(self._engine)

    @property
    def _absent(self) -> bool:
        """Whether the database is a file that was never made: reading does not make it."""
        file = self._engine.url.database if self._engine.dialect.name == "sqlite" else None
        return not (self._ready or file in (None, "", ":memory:") or Path(str(file)).exists())

    @contextmanager
    def _connection(self) -> Iterator[sa.Connection]:
        with answered(self._engine, "the ledger's database"):
            if not self._ready:
                self._create()
                self._ready = True
            with self._engine.connect() as connection:
                yield connection

    def _create(self) -> None:
        """Create table and guards in one transaction; concurrent processes take turns."""
        with self._engine.connect() as connection:
            if sa.inspect(connection).has_table(ENTRIES.name):
                return
            sqlite = self._engine.dialect.name == "sqlite"
            connection.exec_driver_sql("BEGIN IMMEDIATE" if sqlite else "BEGIN")
            try:
                if not sqlite:
                    connection.exec_driver_sql("SELECT pg_advisory_xact_lock(4714119021)")
                if not sa.inspect(connection).has_table(ENTRIES.name):
                    connection.execute(sa.schema.CreateTable(ENTRIES))
                    for guard in _GUARDS[self._engine.dialect.name]:
                        connection.exec_driver_sql(guard)
            except BaseException:
                connection.exec_driver_sql("ROLLBACK")
                raise
            connection.exec_driver_sql("COMMIT")


def _parse(row: tuple[Any, ...]) -> tuple[Entry | None, Sequence[str]]:
    """The entry of a row, and what is wrong with it."""
    model, lineage, sequence, run, kind, recorded_us, hashed, body = row
    place = f"{model}/{lineage} entry {sequence}"
    try:
        entry = Entry.from_body(body, hashed, place)
    except ValueError as cause:
        return None, (f"{place}: {cause}",)
    named = (entry.model, entry.lineage, entry.sequence, entry.run, entry.kind)
    recorded = epoch_us(entry.recorded_at)
    if (*named, recorded) != (model, lineage, sequence, run, kind, recorded_us):
        return entry, (f"{place}: the columns differ from the body",)
    return entry, ()
