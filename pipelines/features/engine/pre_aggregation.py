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
from pipelines.spec.serving import Cadence

# Names with a colon cannot clash with declared columns.
BORN, VISIBLE, HAPPENED, KNOWN = ":born", ":visible", ":happened", ":known"
NEWEST = "happened:"  # of a cell: event time of its newest event
FIRST_KNOWN = ":known_by"  # of a cell: the grid instant by which it is known

UNITS = 1_000_000_000  # sums are stored in whole billionths
LARGEST = 1e15  # of a summed value: a larger double cannot represent its units digit
# Smaller values are summed in finer units, so that a billionth is not their first digit.
_SMALL, SMALL_UNITS, SMALLEST = 1e-6, 10**30, 1e-24
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
        kinds |= {"time_since": ("happened",), "newest": ("happened",)}
        kinds |= {"min": ("min",), "max": ("max",)}  # the others are computed from events
        return frozenset(f"{kind}:{self.of}" for kind in kinds.get(self.aggregate, ()))


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
    cadence: Cadence | None = None
    lag: int = 0

    @property
    def source(self) -> Source:
        """The key of its cells; requests with the same source share them."""
        return self.stream, repr(self.where), self.steps.size, self.steps.origin, self.lag


@dataclass(frozen=True)
class Summed:
    """How columns are summed; the others are summed in whole billionths.

    Arguments:
        whole: columns of whole numbers with a moderate total, summed as doubles.
        small: columns that have small values, which get a sum of their own.
        rows: number of events; ``None``: no column is summed, and they were not counted.
    """

    whole: frozenset[Column] = frozenset()
    small: frozenset[Column] = frozenset()
    rows: int | None = None


@dataclass(frozen=True)
class PreAggregated:
    """A source: its cells, and its events with their times rounded up to the same grid.

    Events also have their exact times, ``:happened`` and ``:known``. ``counted`` is their number,
    if it is known.
    """

    cells: ibis.Table
    events: ibis.Table
    counted: int | None = None

    def rows(self) -> int:
        """The number of events; runs a query if they were not counted."""
        if self.counted is not None:
            return self.counted
        return int(self.events.count().to_pyarrow().as_py())

    def visible_in(self, first: int, end: int, reach: int) -> PreAggregated:
        """What points of ``[first, end)`` can see, and perhaps a little more.

        Arguments:
            first, end: microseconds since 1970.
            reach: of the longest aggregate.
        """
        # A microsecond earlier, it is never equal to another instant of a query. Equal instants are
        # one value of its template, and queries of other weeks would need another template.
        visible = (_[VISIBLE] < end) & (_[BORN] + reach > first - 1)
        return PreAggregated(self.cells.filter(visible), self.events.filter(visible))


def pre_aggregate(
    spec: FrameSpec, streams: Mapping[str, ibis.Table], uses: Iterable[AggregateRequest]
) -> dict[Source, PreAggregated]:
    """The cells of each requested source.

    Returns:
        By source: cells with all keys of its requests, int64 microseconds ``:born`` (the first grid
        instant after the event), ``:known_by`` (the first at which it is known) and ``:visible``
        (the later of the two), ``happened:``, and the parts that the aggregates need.

    Raises:
        DataError: when a value is too large or too small to be summed.
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
        summed = _summed_columns(events, parts, first.stream)
        keys = sorted({key for use in sharing for key in use.by})
        happened, known = micros(_.event_time) + first.lag, micros(_.known_time)
        timed = events.mutate(**{HAPPENED: happened, KNOWN: known})
        rounded = timed.mutate(
            **{BORN: first.steps.ceil(_[HAPPENED] + 1), FIRST_KNOWN: first.steps.ceil(_[KNOWN])}
        )
        found[source] = PreAggregated(
            cells=with_visible(cells_of(rounded, [*keys, FIRST_KNOWN], parts, first.steps, summed)),
            events=with_visible(rounded),
            counted=summed.rows,
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
    summed: Summed,
) -> ibis.Table:
    """Events of equal ``keys`` and ``:born`` as one row, with the requested parts.

    Counts are doubles. Sums are doubles for columns in ``summed.whole`` and whole billionths for
    others; columns in ``summed.small`` also have the sum of their small values, ``small:<column>``.
    """
    fine = {f"small:{column}" for column in summed.small if f"units:{column}" in parts}
    wanted = sorted({NEWEST, *parts, *fine})
    kinds = {part: part.partition(":")[::2] for part in wanted}
    values = {part: _value(*named, summed) for part, named in kinds.items()}
    if steps.size == 1:  # on the finest grid there is almost nothing to merge
        return events.select(*keys, BORN, **values)
    pooled = {part: _POOL[kind](values[part]) for part, (kind, _column) in kinds.items()}
    return events.group_by([*keys, BORN]).agg(**pooled)


def _value(kind: str, column: str, summed: Summed) -> Any:
    """The contribution of a single event to a part of its cell."""
    if kind == "n":
        return _[column or HAPPENED].notnull().cast("float64")
    if kind in ("units", "small"):
        return _summand(kind, _[column].cast("float64"), whole=column in summed.whole)
    if kind == "happened":
        return _[HAPPENED]
    return _[column]


def _summand(kind: str, number: Any, *, whole: bool) -> Any:
    """A number as it is summed: small values in finer parts than the others."""
    if whole:
        return number
    if kind == "small":
        return _units(ibis.ifelse(number.abs() < _SMALL, number, 0.0), SMALL_UNITS)
    return _units(ibis.ifelse(number.abs() < _SMALL, 0.0, number), UNITS)


def _units(value: Any, units: int) -> Any:
    """Doubles in whole parts, ``units`` of which are 1; converted via two integers.

    Engines differ in the direct cast of large doubles to decimals: Spark uses the shortest digits.
    """
    sign, size = value.sign().cast("int64"), value.abs() * float(units)
    high = (size / float(_LIMB)).floor()
    low = (size - high.cast("float64") * float(_LIMB)).round()
    return ((sign * high).cast(_EXACT) * _LIMB + (sign * low).cast(_EXACT)).cast(_EXACT)


def number_of(total: Any, units: int) -> Any:
    """A sum in whole parts, ``units`` of which are 1, converted back to a double.

    Converts two parts that are exact doubles, so that their sum is the nearest double. Engines
    that cast a long decimal to a double directly differ in the last bit.
    """
    low = total % _LIMB
    return ((total - low).cast("float64") + low.cast("float64")) / float(units)


_POOL: dict[str, Any] = {
    "n": lambda value: value.sum(),
    "units": lambda value: value.sum(),
    "small": lambda value: value.sum(),
    "happened": lambda value: value.max(),
    "min": lambda value: value.min(),
    "max": lambda value: value.max(),
}


def _summed_columns(events: ibis.Table, parts: Iterable[str], stream: str) -> Summed:
    """How the summed columns are summed; runs one small query.

    Raises:
        DataError: for values that are too large or too small for exact sums.
    """
    columns = sorted(part.partition(":")[2] for part in parts if part.startswith("units:"))
    if not columns:
        return Summed()
    facts: dict[str, Any] = {"rows": events.count()}
    for column in columns:
        size = events[column].cast("float64").abs()
        facts |= {f"largest:{column}": size.max(), f"total:{column}": size.sum()}
        facts[f"smallest:{column}"] = size.min(where=size > 0.0)
        facts[f"whole:{column}"] = (size % 1.0 == 0.0).all()
    found = events.aggregate(**facts).to_pyarrow().to_pylist()[0]
    whole, small = set(), set()
    for column in columns:
        largest, smallest = found[f"largest:{column}"], found[f"smallest:{column}"]
        if largest is not None and largest > LARGEST:
            raise _beyond_exact_sums("large", f"{stream}.{column}", largest)
        if smallest is not None and smallest < SMALLEST:
            raise _beyond_exact_sums("small", f"{stream}.{column}", smallest)
        if smallest is not None and smallest < _SMALL:
            small.add(column)
        if found[f"whole:{column}"] and found[f"total:{column}"] < _DOUBLES_HOLD:
            whole.add(column)
    return Summed(frozenset(whole), frozenset(small), found["rows"])


def _beyond_exact_sums(how: str, where: str, value: float) -> DataError:
    return DataError(
        f"a value is too {how} for an exact sum",
        where=where,
        got=f"{value:g}",
        wanted=f"0, or finite numbers from {SMALLEST:g} to {LARGEST:g} in size",
        hint="correct the event, or exclude it with a condition (at_most, at_least)",
    )
