"""Which column types of PostgreSQL are read as which declared types, and what helps otherwise."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import NamedTuple

import pyarrow as pa

from pipelines.core.errors import DataError
from pipelines.core.names import folded
from pipelines.data.canonical import check_schema
from pipelines.spec.fields import ColumnType

# Own and base type differ for domains. The kind is "e" for enumerations, "b" for ordinary types.
COLUMNS_QUERY = """
SELECT a.attname, format_type(a.atttypid, a.atttypmod), format_type(b.oid, NULL), b.typtype::text,
       CASE WHEN t.typtype = 'd' THEN t.typtypmod ELSE a.atttypmod END
FROM pg_attribute a
JOIN pg_type t ON t.oid = a.atttypid
JOIN pg_type b ON b.oid = coalesce(nullif(t.typbasetype, 0), t.oid)
WHERE a.attrelid = to_regclass(%s) AND a.attnum > 0 AND NOT a.attisdropped
"""

_WHOLE = {"smallint", "integer", "bigint"}
_TEXT = {"text", "character varying", "character", "name", "uuid", "json", "jsonb", "citext"}
_TIME = {"timestamp with time zone"}
_NAIVE = {"timestamp without time zone", "date"}
_READ = {
    ColumnType.STRING: _TEXT | _WHOLE,
    ColumnType.INTEGER: _WHOLE,
    ColumnType.FLOAT: _WHOLE | {"real", "double precision", "numeric"},
    ColumnType.BOOLEAN: {"boolean"},
    ColumnType.TIMESTAMP: _TIME,
}


class TableColumn(NamedTuple):
    """One row of ``COLUMNS_QUERY``."""

    name: str
    own_type: str
    base_type: str
    kind: str
    modifier: int

    @property
    def is_whole(self) -> bool:
        """Whether it is numeric without digits behind the point, such as numeric(12,0)."""
        scale = (self.modifier - 4) & 2047
        return self.base_type == "numeric" and self.modifier >= 0 and scale == 0

    @property
    def is_naive(self) -> bool:
        """Whether its times are on the clock of a zone that it does not name."""
        return self.base_type in _NAIVE

    def can_be(self, kind: ColumnType, zone: str | None) -> bool:
        """Whether its values are read as a declared type without a change."""
        if kind is ColumnType.TIMESTAMP and zone is not None and self.is_naive:
            return True
        if kind is ColumnType.STRING and self.kind == "e":
            return True
        if self.is_whole and kind in (ColumnType.INTEGER, ColumnType.STRING):
            return True
        return self.base_type in _READ[kind]


def check_table(
    found: Iterable[TableColumn],
    wanted: Mapping[str, ColumnType],
    *,
    zone: str | None,
    where: str,
) -> None:
    """Checks a table's columns against the declaration. Names are exact, as quoted names are.

    Arguments:
        found: the table's columns.
        wanted: types of the declared columns, by name.
        zone: the declared zone of times without one.
        where: stream and table, for errors.

    Raises:
        DataError: when a column is missing or of another type; with PostgreSQL's own type.
    """
    columns = {column.name: column for column in found}
    exact = {folded(name) for name in wanted if name in columns}
    names = [name for name in columns if name in wanted or folded(name) not in exact]
    kinds = ", ".join(f"{name} {column.own_type}" for name, column in columns.items())
    check_schema(
        pa.schema([(name, pa.null()) for name in names]),
        wanted,
        where=where,
        remark=f"the table has {kinds}",
    )
    for name, kind in wanted.items():
        column = columns[name]
        if not column.can_be(kind, zone):
            naive = kind is ColumnType.TIMESTAMP and column.is_naive
            raise DataError(
                f"the times in column {name!r} have no zone"
                if naive
                else f"column {name!r} is of another type than declared",
                where=where,
                got=column.own_type,
                wanted="timestamp with time zone" if kind is ColumnType.TIMESTAMP else kind.value,
                hint=_remedy(column, kind),
            )


def _remedy(column: TableColumn, kind: ColumnType) -> str:
    """An expression for a view, which `source.table` can name like a table."""
    name = f'"{column.name}"'
    if kind is ColumnType.TIMESTAMP:
        if column.is_naive:
            return "declare the writer's zone as `source.zone`, such as Europe/Berlin"
        return (
            f"declare a view as `source.table` that has {name}::timestamp AT TIME ZONE "
            "'Europe/Berlin', with the writer's zone"
        )
    target = {
        ColumnType.STRING: "text",
        ColumnType.INTEGER: "bigint",
        ColumnType.FLOAT: "double precision",
        ColumnType.BOOLEAN: "boolean",
    }[kind]
    return (
        f"mend the declaration, or declare a view as `source.table` that has {name}::{target}; "
        "such a cast can round"
    )
