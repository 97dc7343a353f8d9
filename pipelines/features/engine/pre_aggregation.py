"""Cells: events of equal keys that come into sight and leave it with the same grid instants.

No decision point stands between two instants of its grid, so an event's times may be rounded up
to the grid without a change in any answer. Events that are then equal are one cell. It is made
once for all that reads a stream under the same conditions, and all the rest works on cells.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

import ibis
from ibis import _

from pipelines.core.errors import DataError
from pipelines.features.conditions import holding
from pipelines.features.engine.time_grid import TimeGrid, micros
from pipelines.spec.fields import Column, Condition
from pipelines.spec.frame import FrameSpec
from pipelines.spec.points import Aggregate
from pipelines.spec.refresh import Refresh

# Names with a colon cannot clash with declared columns.
BORN, SEEN, HAPPENED, KNOWN = ":born", ":seen", ":happened", ":known"
NEWEST = "happened:"  # of a cell: when its newest event happened
FIRST_KNOWN = ":known_by"  # of a cell: the grid instant by which it is known

UNITS = 1_000_000_000  # a sum is kept in whole billionths
LARGEST = 1e15  # of a value that is summed: so large, a double has no room for a digit of units
_EXACT = "decimal(38, 0)"
_LIMB = 2**32  # what the upper of two integers counts: both then have room, and a double for each
# Whole numbers that add up to less are summed as doubles, which engines do faster: no digit is
# lost on any way, and divided into billionths and back each such sum would be the same double.
_DOUBLES_HOLD = 2**53 / 5**9


Source = tuple[str, str, int, int]  # stream, conditions, and the grid's size and origin


@dataclass(frozen=True)
class AggregateSpec:
    """One aggregate: what it is called, what it takes, and how long an event stays in it.

    ``newest`` is when the newest event happened: what ``time_since`` is counted from.
    """

    name: str
    aggregate: Aggregate | Literal["newest"]
    column: Column | None
    reach: int  # microseconds from an event's birth until it is gone

    @property
    def of(self) -> str:
        """The column as a part of internal names; empty for whole rows."""
        return self.column or ""

    @property
    def parts(self) -> frozenset[str]:
        """What a cell has to keep for it, as ``<kind>:<column>``."""
        kinds = {"count": ("n",), "sum": ("n", "units"), "mean": ("n", "units")}
        kinds |= {"time_since": ("happened",), "newest": ("happened",), "distinct": ()}
        return frozenset(
            f"{kind}:{self.of}" for kind in kinds.get(self.aggregate, (self.aggregate,))
        )


@dataclass(frozen=True)
class AggregateRequest:
    """What one part of a declaration reads of a stream: by which keys, what, and on which grid."""

    place: str
    stream: str
    where: tuple[Condition, ...]
    by: tuple[Column, ...]
    asks: tuple[AggregateSpec, ...]
    steps: TimeGrid
    refresh: Refresh | None = None

    @property
    def source(self) -> Source:
        """Uses of one source share their cells."""
        return self.stream, repr(self.where), self.steps.size, self.steps.origin


@dataclass(frozen=True)
class PreAggregated:
    """A source: its cells, and its events with their times rounded up to the same grid."""

    cells: ibis.Table
    events: ibis.Table


def pre_aggregate(
    spec: FrameSpec, streams: Mapping[str, ibis.Table], uses: Iterable[AggregateRequest]
) -> dict[Source, PreAggregated]:
    """The cells of each source that is used.

    Returns:
        Of each source, cells with all keys that its uses name, int64 microseconds ``:born`` (the
        first grid instant after the event), ``:known_by`` (the first at which it is known) and
        ``:seen`` (the later of both), ``happened:``, and the parts that its asks need.

    Raises:
        DataError: when a value is too large to be summed.
        SpecError: when a condition does not fit its column.
    """
    sources: dict[Source, list[AggregateRequest]] = {}
    for use in uses:
        sources.setdefault(use.source, []).append(use)
    found = {}
    for source, sharing in sources.items():
        first = sharing[0]
        columns = spec.streams[first.stream].columns
        events = holding(streams[first.stream], first.where, columns, first.place)
        parts = frozenset().union(*(ask.parts for use in sharing for ask in use.asks))
        whole = _whole_columns(events, parts, first.stream)
        keys = sorted({key for use in sharing for key in use.by})
        happened, known = micros(_.event_time), micros(_.known_time)
        timed = events.mutate(**{HAPPENED: happened, KNOWN: known})
        rounded = timed.mutate(
            **{BORN: first.steps.ceil(_[HAPPENED] + 1), FIRST_KNOWN: first.steps.ceil(_[KNOWN])}
        )
        found[source] = PreAggregated(
            cells=with_seen(cells_of(rounded, [*keys, FIRST_KNOWN], parts, first.steps, whole)),
            events=with_seen(rounded),
        )
    return found


def with_seen(table: ibis.Table) -> ibis.Table:
    """``table`` with the first grid instant at which an event has happened and is known."""
    return table.mutate(**{SEEN: ibis.greatest(_[BORN], _[FIRST_KNOWN])})


def cells_of(
    events: ibis.Table,
    keys: Iterable[str],
    parts: Iterable[str],
    steps: TimeGrid,
    whole: frozenset[Column],
) -> ibis.Table:
    """Events of equal ``keys`` and ``:born`` as one row, with the parts asked for.

    Counts are doubles; sums are doubles for columns in ``whole`` and whole billionths for others.
    """
    wanted = sorted({NEWEST, *parts})
    kinds = {part: part.partition(":")[::2] for part in wanted}
    values = {part: _value(*named, whole) for part, named in kinds.items()}
    if steps.size == 1:  # on the finest of grids there is next to nothing to collapse
        return events.select(*keys, BORN, **values)
    pooled = {part: _POOL[kind](values[part]) for part, (kind, _column) in kinds.items()}
    return events.group_by([*keys, BORN]).agg(**pooled)


def _value(kind: str, column: str, whole: frozenset[Column]) -> Any:
    """What a single event contributes to a part of its cell."""
    if kind == "n":
        return _[column or HAPPENED].notnull().cast("float64")
    if kind == "units":
        if column in whole:
            return _[column].cast("float64")
        return _units(_[column].cast("float64"))
    if kind == "happened":
        return _[HAPPENED]
    if kind == "last":
        times = {"happened": _[HAPPENED], "known": _[KNOWN]}
        newest = ibis.struct({**times, "value": _[column]})
        return ibis.ifelse(_[column].isnull(), None, newest)
    return _[column]


def _units(value: Any) -> Any:
    """Doubles in whole billionths, by way of two integers.

    Engines turn a large double into a decimal in two ways: Spark goes by its shortest digits.
    """
    sign, size = value.sign().cast("int64"), value.abs() * float(UNITS)
    high = (size / float(_LIMB)).floor()
    low = (size - high.cast("float64") * float(_LIMB)).round()
    return ((sign * high).cast(_EXACT) * _LIMB + (sign * low).cast(_EXACT)).cast(_EXACT)


def number_of(units: Any) -> Any:
    """Whole billionths as a double, divided back.

    Two parts, each of which is a double: their sum is the nearest one then. Engines that turn a
    decimal of many digits into a double at once differ in the last bit.
    """
    low = units % _LIMB
    return ((units - low).cast("float64") + low.cast("float64")) / float(UNITS)


_POOL: dict[str, Any] = {
    "n": lambda value: value.sum(),
    "units": lambda value: value.sum(),
    "happened": lambda value: value.max(),
    "last": lambda value: value.max(),
    "min": lambda value: value.min(),
    "max": lambda value: value.max(),
}


def _whole_columns(events: ibis.Table, parts: Iterable[str], stream: str) -> frozenset[Column]:
    """Which summed columns hold whole numbers of a moderate total; one small query.

    Raises:
        DataError: for values that exact sums have no room for.
    """
    columns = sorted(part.partition(":")[2] for part in parts if part.startswith("units:"))
    if not columns:
        return frozenset()
    facts: dict[str, Any] = {}
    for column in columns:
        size = events[column].cast("float64").abs()
        facts |= {f"largest:{column}": size.max(), f"total:{column}": size.sum()}
        facts[f"whole:{column}"] = (size % 1.0 == 0.0).all()
    found = events.aggregate(**facts).to_pyarrow().to_pylist()[0]
    for column in columns:
        largest = found[f"largest:{column}"]
        if largest is not None and largest > LARGEST:
            raise DataError(
                "a value is too large for an exact sum",
                where=f"{stream}.{column}",
                got=f"{largest:g}",
                wanted=f"finite numbers of at most {LARGEST:g} in size",
                hint="correct the event, or exclude it with a condition (at_most, at_least)",
            )
    return frozenset(
        column
        for column in columns
        if found[f"whole:{column}"] and found[f"total:{column}"] < _DOUBLES_HOLD
    )
