"""Where a PostgreSQL table is, without the secrets of its address."""

from __future__ import annotations

import psycopg
from psycopg.conninfo import conninfo_to_dict

from pipelines.core.errors import SpecError


def public_address(url: str, table: str) -> str:
    """Host, port and database of an address.

    Arguments:
        url: address of the database; it can hold a password and is never shown.
        table: the table that is read, for the error.

    Raises:
        SpecError: when the address cannot be read.
    """
    try:
        parts = conninfo_to_dict(url)
    except psycopg.ProgrammingError:
        raise SpecError(
            "the address of a PostgreSQL stream cannot be read",
            where=f"table {table}",
            wanted="postgresql://reader:...@host:port/database",
            hint="mend the environment variable; %-encode special characters of the password",
        ) from None
    return f"{parts.get('host', 'localhost')}:{parts.get('port', 5432)}/{parts.get('dbname', '')}"
