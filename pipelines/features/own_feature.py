"""Features that an own function computes: one Ibis expression, for frames and for requests."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import ibis
import ibis.expr.operations as ops
import ibis.expr.types as ir

from pipelines.core.errors import SpecError
from pipelines.data.connection import open_duckdb
from pipelines.own_code.load import errors_of_code, load_function
from pipelines.spec.features import ExpressionFeature
from pipelines.spec.fields import ColumnType

if TYPE_CHECKING:
    import duckdb

INPUTS = ":inputs"
_DOES_NOT_FOLLOW_FROM_A_ROW = (
    ops.Analytic,
    ops.Reduction,
    ops.WindowFunction,
    ops.Subquery,
    ops.Impure,
    ops.Unnest,
)


@ibis.udf.scalar.builtin(name="try")
def _or_missing(value: float) -> float:  # type: ignore[empty-body]
    """DuckDB's TRY: missing where the value cannot be computed, such as the logarithm of 0."""


def column_of(
    feature: ExpressionFeature, types: Mapping[str, ColumnType], operands: Mapping[str, Any]
) -> Any:
    """The feature as a column of the table that its operands are columns of, float64.

    A value that is no finite number, or that DuckDB cannot compute, is missing. The query runs on a
    connection from ``open_duckdb``.

    Arguments:
        feature: with a function.
        types: of the columns that the function gets, by the name under which it gets them.
        operands: these columns, numbers as float64.

    Raises:
        SpecError: the function fails, or its column is none that follows from each row alone.
    """
    table, column = _declared(feature, types)
    found = {ops.Field(table, name): operands[name].op() for name in types}
    return column.op().replace(found).to_expr()


class RowFeature:
    """A feature of single rows, compiled once and computed by DuckDB as in the frame.

    Arguments:
        feature: with a function.
        types: as in ``column_of``.
    """

    def __init__(self, feature: ExpressionFeature, types: Mapping[str, ColumnType]) -> None:
        self.feature, self.types = feature, types
        self._compiled: tuple[duckdb.DuckDBPyConnection, str] | None = None

    def values(self, rows: Sequence[Sequence[Any]]) -> list[float | None]:
        """The feature of each row.

        Arguments:
            rows: of each row the values in the order of ``types``; None is missing.

        Raises:
            SpecError: as ``column_of``.
        """
        import pyarrow as pa

        if self._compiled is None:
            self._compiled = self._compile()
        connection, query = self._compiled
        kinds = {
            name: pa.string() if _is_text(kind) else pa.float64()
            for name, kind in self.types.items()
        }
        columns = zip(*rows, strict=True) if rows else [()] * len(kinds)
        table = pa.table(
            {
                name: pa.array([_plain(value, kind) for value in column], kind)
                for (name, kind), column in zip(kinds.items(), columns, strict=True)
            }
        )
        cursor = connection.cursor()
        cursor.register(INPUTS, table)
        return [value for (value,) in cursor.execute(query).fetchall()]

    def _compile(self) -> tuple[duckdb.DuckDBPyConnection, str]:
        _table, column = _declared(self.feature, self.types)
        return open_duckdb().con, _sql(column.name("value").as_table())


def _declared(
    feature: ExpressionFeature, types: Mapping[str, ColumnType]
) -> tuple[ops.Relation, Any]:
    """The unbound table that the function gets, and its checked column as float64."""
    where = f"features.{feature.name}.function"
    function = load_function(feature, where)
    schema = {name: "string" if _is_text(kind) else "float64" for name, kind in types.items()}
    table = ibis.table(schema, name=INPUTS)
    wanted = f"a function of a table with the columns {list(types)}"
    with errors_of_code(f"{feature.function} fails", where, wanted=wanted):
        column: Any = function(table)
        again: Any = function(table)
    if not isinstance(column, ir.NumericColumn | ir.BooleanColumn):
        raise SpecError(
            f"{feature.function} returns no column of numbers",
            where=where,
            got=type(column).__name__,
            wanted="an Ibis expression of the table's columns, such as table.now / table.usual",
        )
    operation: Any = column.op()
    foreign = {type(one).__name__ for one in operation.find(_DOES_NOT_FOLLOW_FROM_A_ROW)}
    if foreign or operation.relations != frozenset({table.op()}):
        raise SpecError(
            "an own feature does not follow from its row alone",
            where=where,
            got=", ".join(sorted(foreign)) or "another table",
            wanted="arithmetic, conditions and functions of single values: an aggregate of past "
            "events is a window feature",
        )
    with errors_of_code(f"{feature.function} fails", where, wanted=wanted):
        same = isinstance(again, ir.Value) and _sql(again) == _sql(column)
    if not same:
        raise SpecError(
            "an own feature does not follow from its row alone",
            where=where,
            got="two calls that return other expressions",
            wanted="the same expression from every call, without chance and the clock",
        )
    number: Any = _or_missing(column.cast("float64"))
    return table.op(), ibis.ifelse(number.isnan() | number.isinf(), None, number)


def _sql(expression: ir.Expr) -> str:
    return str(ibis.to_sql(expression, dialect="duckdb"))


def _is_text(kind: ColumnType) -> bool:
    return kind is ColumnType.STRING


def _plain(value: Any, kind: Any) -> Any:
    return value if value is None or str(kind) == "string" else float(value)
