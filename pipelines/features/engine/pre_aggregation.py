"""Cells: events of equal keys that become visible and expire at the same grid instants.

No decision point is between two instants of its grid, so an event's times can be rounded up to the
grid without changing any result. Events with equal rounded times form one cell. Cells are computed
once for all readers of a stream under the same conditions; all later steps work on cells.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

import ibis
from ibis import _

from pipelines.core.errors import DataError
from pipelines.core.names import Column
from pipelines.features.conditions import holding
from pipelines.features.engine.time_grid import TimeGrid, micros
from pipelines.spec.fields import Condition
from pipelines.spec.frame import FrameSpec
from pipelines.spec.points import WindowAggregate
from pipelines.spec.refresh import Refresh

# Names with a colon cannot clash with declared columns.
BORN, VISIBLE, HAPPENED, KNOWN = ":born", ":visible", ":happened", ":known"
NEWEST = "happened:"  # of a cell: event time of its newest event
FIRST_KNOWN = ":known_by"  # of a cell: the grid instant by which it is known

UNITS = 1_000_000_000  # sums are stored in whole billionths
LARGEST = 1e15  # of a summed value: a larger double cannot represent its units digit
_EXACT = "decimal(38, 0)"
_LIMB = 2**32  # unit of the upper of two integers: each of them then fits in a double
# Whole numbers with a smaller total are summed as doubles, which is faster. The sum is exact in
# any order, and conversion to billionths and back would give the same double.
_DOUBLES_HOLD = 2**53 / 5**9


Source = tuple[str, str, int, int, int]  # stream, conditions, the grid's size and origin, lag


@dataclass(frozen=True)
class AggregateSpec:
    """One aggregate: its name, its input, and how long an event stays in it.

    ``quantile`` is the level of a ``quantile``, in (0, 1).

    ``newest`` is the event time of the newest event, from which ``time_since`` is counted.
    """

    name: str
    aggregate: WindowAggregate | Literal["newest"]
    column: Column | None
    reach: int  # microseconds from an event's ``:born`` until it expires
    quantile: float | None = None

    @property
    def of(self) -> str:
        """The column as a part of internal names; empty for whole rows."""
        return self.column or ""

    @property
    def parts(self) -> frozenset[str]:
        """The values that a cell must hold for it, as ``<kind>:<column>``."""
        kinds = {"count": ("n",), "sum": ("n", "units"), "mean": ("n", "units")}
        kinds |= {"time_since": ("happened",), "newest": ("happened",), "distinct": ()}
        kinds |= {"std": (), "median": (), "quantile": ()}
        return frozenset(
            f"{kind}:{self.of}" for kind in kinds.get(self.aggregate, (self.aggregate,))
        )


@dataclass(frozen=True)
class AggregateRequest:
    """The aggregates that one part of a declaration needs from a stream, with keys and grid.

    Events count as if they had happened ``lag`` microseconds later than they did.
    """

    place: str
    stream: str
    where: tuple[Condition, ...]
    by: tuple[Column, ...]
    asks: tuple[AggregateSpec, ...]
    steps: TimeGrid
    refresh: Refresh | None = None
    lag: int = 0

    @property
    def source(self) -> Source:
        """The key of its cells; requests with the same source share them."""
        return self.stream, repr(self.where), self.steps.size, self.steps.origin, self.lag


@dataclass(frozen=True)
class PreAggregated:
    """A source: its cells, and its events with their times rounded up to the same grid."""

    cells: ibis.Table
    events: ibis.Table


def pre_aggregate(
    spec: FrameSpec, streams: Mapping[str, ibis.Table], uses: Iterable[AggregateRequest]
) -> dict[Source, PreAggregated]:
    """The cells of each requested source.

    Returns:
        By source: cells with all keys of its requests, int64 microseconds ``:born`` (the first grid
        instant after the event), ``:known_by`` (the first at which it is known) and ``:visible``
        (the later of the two), ``happened:``, and the parts that the aggregates need.

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
        happened, known = micros(_.event_time) + first.lag, micros(_.known_time)
        timed = events.mutate(**{HAPPENED: happened, KNOWN: known})
        rounded = timed.mutate(
            **{BORN: first.steps.ceil(_[HAPPENED] + 1), FIRST_KNOWN: first.steps.ceil(_[KNOWN])}
        )
        found[source] = PreAggregated(
            cells=with_visible(cells_of(rounded, [*keys, FIRST_KNOWN], parts, first.steps, whole)),
            events=with_visible(rounded),
        )
    return found


def with_visible(table: ibis.Table) -> ibis.Table:
    """``table`` with the first grid instant at which an event has happened and is known."""
    return table.mutate(**{VISIBLE: ibis.greatest(_[BORN], _[FIRST_KNOWN])})


def cells_of(
    events: ibis.Table,
    keys: Iterable[str],
    parts: Iterable[str],
    steps: TimeGrid,
    whole: frozenset[Column],
) -> ibis.Table:
    """Events of equal ``keys`` and ``:born`` as one row, with the requested parts.

    Counts are doubles; sums are doubles for columns in ``whole`` and whole billionths for others.
    """
    wanted = sorted({NEWEST, *parts})
    kinds = {part: part.partition(":")[::2] for part in wanted}
    values = {part: _value(*named, whole) for part, named in kinds.items()}
    if steps.size == 1:  # on the finest grid there is almost nothing to merge
        return events.select(*keys, BORN, **values)
    pooled = {part: _POOL[kind](values[part]) for part, (kind, _column) in kinds.items()}
    return events.group_by([*keys, BORN]).agg(**pooled)


def _value(kind: str, column: str, whole: frozenset[Column]) -> Any:
    """The contribution of a single event to a part of its cell."""
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
    """Doubles as whole billionths, converted via two integers.

    Engines differ in the direct cast of large doubles to decimals: Spark uses the shortest digits.
    """
    sign, size = value.sign().cast("int64"), value.abs() * float(UNITS)
    high = (size / float(_LIMB)).floor()
    low = (size - high.cast("float64") * float(_LIMB)).round()
    return ((sign * high).cast(_EXACT) * _LIMB + (sign * low).cast(_EXACT)).cast(_EXACT)


def number_of(units: Any) -> Any:
    """Whole billionths converted back to a double.

    Converts two parts that are exact doubles, so that their sum is the nearest double. Engines
    that cast a long decimal to a double directly differ in the last bit.
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
    """The summed columns with whole numbers and a moderate total; runs one small query.

    Raises:
        DataError: for values that are too large for exact sums.
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
