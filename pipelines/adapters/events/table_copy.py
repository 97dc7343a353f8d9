"""Copies a PostgreSQL table to a CSV file, for the profile of a model that is not declared yet."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

import psycopg
from psycopg import sql

from pipelines.adapters.events.postgres_address import public_address
from pipelines.adapters.events.postgres_types import COLUMNS_QUERY, TableColumn
from pipelines.core.errors import SpecError, Unavailable
from pipelines.core.patience import attempt_s
from pipelines.spec.fields import ColumnType
from pipelines.spec.streams import TABLE

_ORDER = (
    *(ColumnType.BOOLEAN, ColumnType.INTEGER, ColumnType.FLOAT),
    *(ColumnType.TIMESTAMP, ColumnType.STRING),
)
_ANY_ZONE = "UTC"  # `source.zone` makes naive times readable


def copy_table(url: str, table: str, to: Path) -> Mapping[str, ColumnType]:
    """Copies every row of the columns that a stream can have.

    Arguments:
        url: address of the database.
        table: its name, with or without a schema.
        to: CSV file to write, with a header.

    Returns:
        The type of each column that was copied.

    Raises:
        SpecError: when there is no such table, or none of its columns can be read.
        Unavailable: when PostgreSQL does not answer, or the role may not read the table.
    """
    if not re.fullmatch(TABLE, table):
        raise SpecError(
            "the name of a table cannot be used",
            got=repr(table),
            wanted="table or schema.table, of letters, digits and _",
            hint="declare a view with such a name",
        )
    where = f"table {table} at {public_address(url, table)}"
    try:
        with psycopg.connect(
            url,
            connect_timeout=int(attempt_s(2)),
            options="-c timezone=UTC -c datestyle=ISO",
        ) as connection:
            connection.read_only = True
            found = [
                TableColumn(*row) for row in connection.execute(COLUMNS_QUERY, [table]).fetchall()
            ]
            kinds = {
                one.name: kind
                for one in found
                for kind in [next((k for k in _ORDER if one.can_be(k, _ANY_ZONE)), None)]
                if kind is not None
            }
            if not kinds:
                raise SpecError(
                    "there is no such table, or none of its columns can be read",
                    got=table,
                    wanted="schema.table of a PostgreSQL table or view",
                )
            query = sql.SQL("COPY (SELECT {} FROM {}) TO STDOUT (FORMAT csv, HEADER)").format(
                sql.SQL(", ").join(map(sql.Identifier, kinds)),
                sql.Identifier(*table.split(".")),
            )
            with to.open("wb") as target, connection.cursor().copy(query) as rows:
                for block in rows:
                    target.write(block)
    except psycopg.Error as cause:
        raise Unavailable(
            "a PostgreSQL table cannot be copied",
            where=where,
            got=str(cause).strip(),
            hint="check the address, and that its role may read the table",
        ) from cause
    return kinds
