"""Aggregates over the events whose interval covers a point: computes all window features.

An event is visible to the points of its keys in a half-open interval ``[visible, born + reach)``:
from when it has happened and is known, until it is older than the window. The aggregate at a point
``t`` uses the events whose interval contains ``t``. Labels use an interval before the event.

1. Events are first aggregated to cells, see ``pre_aggregation``.
2. Counts, sums and means are running sums of entering and leaving events, in whole numbers or whole
   billionths; values below a millionth are summed apart, in finer parts. So they are exact,
   independent of row order, and leave no rounding error behind.
3. The last value is that of the running maximum of event time. It is missing if that event is
   older than the window.
4. A distinct value counts once while any of its intervals lasts: touching intervals are merged and
   then counted.
5. Minimum and maximum join points to cells by key and by time buckets as long as the window.
   Quantiles and standard deviations join points to events in the same way, see ``distribution``.

Every aggregate ignores missing values, as in SQL; ``count`` and ``time_since`` have no column and
use every event. Among events of the same event time, ``last`` takes the latest known and among
those the largest value.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import ibis
from ibis import _

from pipelines.core.names import Column
from pipelines.features.engine.distribution import DISTRIBUTION, VALUE, summarize
from pipelines.features.engine.pre_aggregation import (
    BORN,
    HAPPENED,
    KNOWN,
    NEWEST,
    SMALL_UNITS,
    UNITS,
    VISIBLE,
    AggregateSpec,
    PreAggregated,
    number_of,
)
from pipelines.features.engine.time_grid import DAY

AT, OWNER = ":at", ":owner"
_ALL = ":all"
_IS_POINT, _BUCKET, _END, _ISLAND, _BEFORE = ":is_point", ":bucket", ":end", ":island", ":before"


def cover(
    points: ibis.Table,
    bare: ibis.Table,
    source: PreAggregated,
    by: Sequence[Column],
    asks: Sequence[AggregateSpec],
) -> ibis.Table:
    """The points with each aggregate as a column; missing where no event is visible to the point.

    Arguments:
        points: ``by``, int64 microseconds ``:at``, and any other columns.
        bare: the same points before anything was joined to them. The lookup uses these, so that a
            frame of many columns stays one chain of joins and is not built twice.
        source: cells and events with ``by`` and the aggregates' parts and columns, on a grid that
            contains every point and of whose size every reach is a multiple.
        by: key columns. A row with a missing key matches no entity. Without key columns every point
            matches every row.
        asks: the aggregates to compute.

    Returns:
        ``points`` with a column for each aggregate and the same rows.
    """
    if not by:  # all rows have one key in common: a constant
        one = {_ALL: ibis.literal(1, "int64")}
        whole = PreAggregated(source.cells.mutate(**one), source.events.mutate(**one))
        return cover(points.mutate(**one), bare.mutate(**one), whole, [_ALL], asks).drop(_ALL)
    # Sorting and hashing keys is most of the work, so each combination of keys becomes a number.
    # Number them in sorted order, because a plan may evaluate the numbering twice.
    keys = bare.select(*by).filter([_[key].notnull() for key in by]).distinct()
    numbered = ibis.row_number().over(ibis.window(order_by=list(by)))
    owners = keys.mutate(**{OWNER: numbered})
    instants = bare.join(owners, list(by)).select(OWNER, AT)
    requested = instants.distinct()
    cells, events = (table.join(owners, list(by)) for table in (source.cells, source.events))
    paired = [ask for ask in asks if ask.aggregate in ("min", "max")]
    spread = [ask for ask in asks if ask.aggregate in DISTRIBUTION]
    swept = [ask for ask in asks if ask not in (*paired, *spread)]
    points = _attach(points, owners, by)
    if swept:
        points = _attach(points, _sweep(cells, events, instants, swept), [OWNER, AT])
    for reach in sorted({ask.reach for ask in paired}):
        extremes = _extremes(cells, requested, [ask for ask in paired if ask.reach == reach])
        points = _attach(points, extremes, [OWNER, AT])
    for ask in spread:
        points = _attach(points, _distribution(events, requested, ask), [OWNER, AT])
    return points.drop(OWNER)


def _attach(table: ibis.Table, found: ibis.Table, keys: Sequence[str]) -> ibis.Table:
    """``table`` with the columns of ``found``, joined by keys; missing where none is found."""
    joined = table.left_join(found, list(keys), rname="right:{name}")
    return joined.drop(*(f"right:{key}" for key in keys))


def merge_stretches(table: ibis.Table, keys: Sequence[str], begin: str, end: str) -> ibis.Table:
    """Half-open intervals ``[begin, end)`` of each key; overlapping or touching ones are merged."""
    ordered = ibis.window(group_by=list(keys), order_by=[begin, end], rows=(None, 0))
    before = ibis.window(group_by=list(keys), order_by=[begin, end], rows=(None, -1))
    marked = table.mutate(**{_BEFORE: _[end].max().over(before)})
    starts = (_[_BEFORE].isnull() | (_[begin] > _[_BEFORE])).cast("int64")
    numbered = marked.mutate(**{_ISLAND: starts.sum().over(ordered)})
    return (
        numbered.group_by([*keys, _ISLAND])
        .agg(**{begin: _[begin].min(), end: _[end].max()})
        .drop(_ISLAND)
    )


def _sweep(
    cells: ibis.Table,
    events: ibis.Table,
    points: ibis.Table,
    asks: Sequence[AggregateSpec],
) -> ibis.Table:
    """Counts, sums, last values and distinct values: one ordered pass over changes and points."""
    sums: dict[str, tuple[str, int]] = {}
    for ask in asks:
        if ask.aggregate in ("count", "sum", "mean"):
            sums[f"n:{ask.of}:{ask.reach}"] = (f"n:{ask.of}", ask.reach)
        if ask.aggregate in ("sum", "mean"):
            for kind in ("units", "small"):
                if f"{kind}:{ask.of}" in cells.columns:
                    sums[f"{kind}:{ask.of}:{ask.reach}"] = (f"{kind}:{ask.of}", ask.reach)
    values = {
        column: _ranked(events, column)
        for column in sorted({ask.of for ask in asks if ask.aggregate == "last"})
    }
    ranks = {column: f"last:{column}:rank" for column in values}
    newest = [NEWEST] if any(ask.aggregate in ("time_since", "newest") for ask in asks) else []
    spread = {f"distinct:{a.of}:{a.reach}": a for a in asks if a.aggregate == "distinct"}
    types = {
        **{name: cells.schema()[source] for name, (source, _reach) in sums.items()},
        **dict.fromkeys([*newest, *ranks.values()], ibis.dtype("int64")),
        # As for counts: DuckDB's integer sums are wider than any stored column type.
        **{name: ibis.dtype("float64") for name in spread},
        _IS_POINT: ibis.dtype("boolean"),
    }

    def branch(table: ibis.Table, at: Any, values: dict[str, Any]) -> ibis.Table:
        row = {name: values.get(name, ibis.null()).cast(kind) for name, kind in types.items()}
        return table.select(OWNER, **{AT: at}, **row)

    comes = {
        name: ibis.ifelse(_[VISIBLE] < _[BORN] + reach, _[source], ibis.null())
        for name, (source, reach) in sums.items()
    }
    branches = [
        branch(values[column], _[VISIBLE], {rank: _[rank]}) for column, rank in ranks.items()
    ]
    if comes or newest:
        branches.append(branch(cells, _[VISIBLE], comes | {name: _[name] for name in newest}))
    for reach in sorted({reach for _source, reach in sums.values()}):
        goes = {name: -_[source] for name, (source, own) in sums.items() if own == reach}
        left = cells.filter(_[VISIBLE] < _[BORN] + reach)
        branches.append(branch(left, _[BORN] + reach, goes))
    for name, ask in spread.items():
        lasting = _lasting(events, ask)
        branches.append(branch(lasting, _[VISIBLE], {name: ibis.literal(1)}))
        branches.append(branch(lasting, _[_END], {name: ibis.literal(-1)}))
    branches.append(branch(points, _[AT], {_IS_POINT: ibis.literal(True)}))

    # One row for each instant of a key: a point includes all changes at its own instant.
    totals = {name: _[name].sum().cast(types[name]) for name in (*sums, *spread)}
    totals |= {name: _[name].max() for name in (*newest, *ranks.values())}
    changes = ibis.union(*branches)
    instants = changes.group_by([OWNER, AT]).agg(**totals, **{_IS_POINT: _[_IS_POINT].max()})
    until_now = ibis.window(group_by=OWNER, order_by=AT, rows=(None, 0))
    running = {name: _[name].sum().over(until_now) for name in (*sums, *spread)}
    running |= {name: _[name].max().over(until_now) for name in (*newest, *ranks.values())}
    swept = instants.mutate(**running).filter(_[_IS_POINT])
    for column, rank in ranks.items():
        swept = _attach(swept, values[column].drop(VISIBLE), [OWNER, rank])
    return swept.select(
        OWNER, AT, **{ask.name: _ANSWERS[ask.aggregate](swept, ask) for ask in asks}
    )


def _ranked(events: ibis.Table, column: Column) -> ibis.Table:
    """The values of a column with their rank among those of their key, newest last.

    Engines are slow at running maxima of structs and fast at those of numbers.
    """
    last = f"last:{column}"
    ordered = ibis.window(group_by=OWNER, order_by=[HAPPENED, KNOWN, column])
    return events.filter(_[column].notnull()).select(
        OWNER,
        VISIBLE,
        **{
            f"{last}:rank": ibis.row_number().over(ordered),
            f"{last}:happened": _[HAPPENED],
            f"{last}:value": _[column],
        },
    )


def _count(swept: ibis.Table, ask: AggregateSpec) -> Any:
    return swept[f"n:{ask.of}:{ask.reach}"].coalesce(0).cast("int64")


def _sum(swept: ibis.Table, ask: AggregateSpec) -> Any:
    total = swept[f"units:{ask.of}:{ask.reach}"]
    value = total if total.type().is_floating() else number_of(total, UNITS)
    small = f"small:{ask.of}:{ask.reach}"
    if small in swept.columns:
        value = value + number_of(swept[small], SMALL_UNITS)
    return ibis.ifelse(_count(swept, ask) > 0, value, None)


def _mean(swept: ibis.Table, ask: AggregateSpec) -> Any:
    return _sum(swept, ask) / _count(swept, ask).nullif(0)


def _last(swept: ibis.Table, ask: AggregateSpec) -> Any:
    last = f"last:{ask.of}"
    return ibis.ifelse(
        swept[AT] <= swept[f"{last}:happened"] + ask.reach, swept[f"{last}:value"], None
    )


def _newest(swept: ibis.Table, ask: AggregateSpec) -> Any:
    newest = swept[NEWEST]
    return ibis.ifelse(swept[AT] <= newest + ask.reach, newest, None)


def _time_since(swept: ibis.Table, ask: AggregateSpec) -> Any:
    # Both as doubles: some engines read a literal with a decimal point as a decimal, and round.
    return (swept[AT] - _newest(swept, ask)).cast("float64") / DAY


def _distinct(swept: ibis.Table, ask: AggregateSpec) -> Any:
    return swept[f"distinct:{ask.of}:{ask.reach}"].coalesce(0).cast("int64")


_ANSWERS: dict[str, Callable[[ibis.Table, AggregateSpec], Any]] = {
    "count": _count,
    "sum": _sum,
    "mean": _mean,
    "last": _last,
    "newest": _newest,
    "time_since": _time_since,
    "distinct": _distinct,
}


def _lasting(events: ibis.Table, ask: AggregateSpec) -> ibis.Table:
    """When each value of each key is visible: intervals ``[:visible, :end)`` that do not touch."""
    value = f"value:{ask.of}"
    visible = (
        events.filter(_[ask.of].notnull())
        .group_by([OWNER, _[ask.of].name(value), BORN])
        .agg(**{VISIBLE: _[VISIBLE].min()})
        .mutate(**{_END: _[BORN] + ask.reach})
        .filter(_[VISIBLE] < _[_END])
    )
    return merge_stretches(visible, [OWNER, value], VISIBLE, _END)


def _extremes(cells: ibis.Table, points: ibis.Table, asks: Sequence[AggregateSpec]) -> ibis.Table:
    """Minima and maxima of one reach, for the points to which any event is visible."""
    parts = sorted({f"{ask.aggregate}:{ask.of}" for ask in asks})
    best = {part: getattr(_[part], part.partition(":")[0])() for part in parts}
    fewer = cells.group_by([OWNER, BORN, VISIBLE]).agg(**best)
    found = _visible_to(points, fewer, asks[0].reach, parts).group_by([OWNER, AT]).agg(**best)
    return found.select(OWNER, AT, **{a.name: found[f"{a.aggregate}:{a.of}"] for a in asks})


def _distribution(events: ibis.Table, points: ibis.Table, ask: AggregateSpec) -> ibis.Table:
    """A quantile or standard deviation, for the points to which any value is visible."""
    values = events.filter(_[ask.of].notnull())
    values = values.select(OWNER, BORN, VISIBLE, **{VALUE: _[ask.of].cast("float64")})
    pairs = _visible_to(points, values, ask.reach, [VALUE])
    return summarize(pairs, [OWNER, AT], ask)


def _visible_to(
    points: ibis.Table, table: ibis.Table, reach: int, columns: Sequence[str]
) -> ibis.Table:
    """Each point with each row of its key that is visible to it: ``:owner``, ``:at``, columns."""
    ranged = table.mutate(**{_END: _[BORN] + reach}).filter(_[VISIBLE] < _[_END])
    # No interval is longer than its reach, so it is in one bucket or two adjacent ones.
    first = ranged.mutate(**{_BUCKET: _[VISIBLE] // reach})
    second = ranged.mutate(**{_BUCKET: (_[_END] - 1) // reach}).filter(
        _[_BUCKET] > _[VISIBLE] // reach
    )
    spread = first.union(second).select(OWNER, _BUCKET, VISIBLE, _END, *columns)
    bucketed = points.select(OWNER, AT).mutate(**{_BUCKET: _[AT] // reach})
    visible = bucketed.join(
        spread,
        [
            OWNER,
            _BUCKET,
            bucketed[AT] >= spread[VISIBLE],
            bucketed[AT] < spread[_END],
        ],
    )
    return visible.select(OWNER, AT, *columns)
