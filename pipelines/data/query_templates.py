"""Queries that differ in tables, instants and fractions only are written as SQL once.

A retraining runs the same queries each week, with other tables and other instants.
Ibis can take longer to write such a query than DuckDB takes to answer it. So the SQL of the second
one is kept as a template, and later ones put their own names and values into its holes.
"""

from __future__ import annotations

import math
import re
import threading
from collections import OrderedDict
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

import ibis
import ibis.expr.operations as ops
import sqlglot as sg
from ibis.backends.duckdb import Backend as DuckDb
from ibis.common.graph import Node, bfs

MOST = 256  # templates; that of a frame has some ten thousand characters
_WIDE = 2**32  # smaller integers are counts, digits and places: they stay in the template
_FIRST_INTEGER = 8_999_999_999_000_000_000
_FIRST_TIME = datetime(1, 2, 3, tzinfo=UTC).replace(tzinfo=None)

Template = tuple[str | int, ...]  # SQL, and the numbers of holes
_NO_TEMPLATE: Template = (-1,)  # a value determines more of the SQL than its own place


class _First(NamedTuple):
    """The first query of a form, which the template of the second one has to write as well."""

    sql: str
    texts: list[str]  # of its holes


class QueryTemplates:
    """Part of a SQL backend of Ibis: its ``compile`` returns the same SQL, in less time."""

    _lock = threading.Lock()
    _templates: OrderedDict[Any, Template | _First] = OrderedDict()

    def compile(self, expr: Any, /, **options: Any) -> str:
        """The SQL of an expression; arguments as for the backend of Ibis."""
        whole: Any = super()
        if any(one is not None and one is not False for one in options.values()):
            return str(whole.compile(expr, **options))
        query = expr.as_table().op()
        shape, holes = _shape_of(query)
        texts = [self._text(hole) for hole in holes]
        key = type(self), ibis.options.sql.fuse_selects, shape
        kept = self._kept(key)
        if isinstance(kept, _First):
            marks = [_mark(hole, number) for number, hole in enumerate(holes)]
            marked = query.replace(dict(zip(holes, marks, strict=True)))
            template = _split(str(whole.compile(marked.to_expr())), [*map(self._text, marks)])
            kept = template if _filled(template, kept.texts) == kept.sql else _NO_TEMPLATE
            self._keep(key, kept)
        if kept is not None and kept is not _NO_TEMPLATE:
            return _filled(kept, texts)
        sql = str(whole.compile(expr))
        if kept is None:
            self._keep(key, _First(sql, texts))
        return sql

    def _kept(self, key: Any) -> Template | _First | None:
        with self._lock:
            if key in self._templates:
                self._templates.move_to_end(key)
            return self._templates.get(key)

    def _keep(self, key: Any, kept: Template | _First) -> None:
        with self._lock:
            self._templates[key] = kept
            while len(self._templates) > MOST:
                self._templates.popitem(last=False)

    def _text(self, hole: Any) -> str:
        """The SQL of a value, or the quoted name of a table."""
        backend: Any = self
        compiler = backend.compiler
        if isinstance(hole, ops.Literal):
            found = compiler.visit_Literal(hole, value=hole.value, dtype=hole.dtype)
        else:
            found = sg.to_identifier(hole.name, quoted=compiler.quoted)
        return str(found.sql(compiler.dialect))


class DuckDbTemplates(QueryTemplates, DuckDb):  # type: ignore[misc] # bases of Ibis contradict
    """The DuckDB backend of Ibis with templates; its name stays ``duckdb``."""

    def _create_cached_table(self, name: str, expr: Any) -> Any:
        """As in Ibis, except that ``compile`` writes the query."""
        table = self.create_table(name, schema=expr.schema(), temp=True)
        self._run_pre_execute_hooks(expr)
        columns = ", ".join(map(_quoted, expr.columns))
        self.raw_sql(f"INSERT INTO {_quoted(name)} ({columns}) {self.compile(expr)}")
        return table


def _quoted(name: str) -> str:
    return str(sg.to_identifier(name, quoted=True).sql("duckdb"))


def _shape_of(query: Any) -> tuple[tuple[Any, ...], list[Any]]:
    """Everything that determines the SQL of a query except what its holes hold, and the holes."""
    graph = bfs(query)
    numbers = {node: number for number, node in enumerate(graph)}
    holes: list[Any] = []
    return tuple(_part(node, numbers, holes) for node in graph), holes


def _part(node: Any, numbers: dict[Any, int], holes: list[Any]) -> Any:
    if isinstance(node, ops.Literal):
        kind = None if node.value is None else _kind_of(node.value, node.dtype)
        if kind is not None:
            holes.append(node)
            return kind, node.dtype
    elif isinstance(node, ops.DatabaseTable):
        holes.append(node)
        return ops.DatabaseTable, node.schema, node.namespace
    elif isinstance(node, ops.InMemoryTable):
        holes.append(node)
        return ops.InMemoryTable, node.schema
    elif isinstance(node, ops.SQLQueryResult):
        return ops.SQLQueryResult, node.query, node.schema
    return type(node), *(_shape_of_argument(value, numbers) for value in node.__args__)


def _shape_of_argument(value: Any, numbers: dict[Any, int]) -> Any:
    if isinstance(value, Node):
        return numbers[value]
    if isinstance(value, tuple | list):
        return tuple(_shape_of_argument(one, numbers) for one in value)
    if isinstance(value, dict):
        return dict, *(
            (_shape_of_argument(key, numbers), _shape_of_argument(one, numbers))
            for key, one in value.items()
        )
    # 1, 1.0 and True are equal, and so are 0.0 and -0.0
    return type(value), repr(value) if isinstance(value, float) else value


def _kind_of(value: Any, dtype: Any) -> str | None:
    """The kind of a hole; ``None``: the value stays in the template."""
    if dtype.is_int64() and abs(value) >= _WIDE:
        return "negative integer" if value < 0 else "integer"
    if dtype.is_float64() and math.isfinite(value):
        return "negative fraction" if math.copysign(1, value) < 0 else "fraction"
    if dtype.is_timestamp() and dtype.timezone is None:
        return "time"
    return None


def _mark(hole: Any, number: int) -> Any:
    """A value or a table in place of another one, which occurs nowhere else."""
    if not isinstance(hole, ops.Literal):
        return hole.copy(name=f":hole:{number}:")
    if hole.dtype.is_timestamp():
        return hole.copy(value=_FIRST_TIME + timedelta(seconds=number))
    sign = -1 if math.copysign(1, hole.value) < 0 else 1
    if hole.dtype.is_integer():
        return hole.copy(value=sign * (_FIRST_INTEGER + number))
    return hole.copy(value=sign * float(f"7.1{number:06d}1e250"))


def _split(sql: str, marks: Sequence[str]) -> Template:
    """SQL as a template with holes in place of the marks."""
    numbers = {mark: number for number, mark in enumerate(marks)}
    if not numbers:
        return (sql,)
    parts = re.split(f"({'|'.join(map(re.escape, numbers))})", sql)
    return tuple(numbers.get(part, part) for part in parts if part)


def _filled(template: Template, texts: Sequence[str]) -> str:
    return "".join(texts[part] if isinstance(part, int) else part for part in template)
