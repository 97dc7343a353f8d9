"""All known faults, with the sizes that a drill plants. Sizes grow, the largest is a disaster."""

# ruff: noqa: ARG001 - all plants have the same signature, also if they ignore arguments

from __future__ import annotations

from collections import Counter
from datetime import timedelta
from typing import Any

import numpy as np
import pyarrow as pa

from pipelines.core.arrays import Mask
from pipelines.core.time import MICROSECOND
from pipelines.faults.fault import EVENT, KNOWN, EventFault, Fault, Target
from pipelines.faults.rows import lose, renamable, rename, repeat
from pipelines.faults.times import move
from pipelines.faults.values import empty, exchange, limit, multiply, repeat_previous, shift

Random = np.random.Generator
_DAY, _HOUR = timedelta(days=1), timedelta(hours=1)
_PAST = 28 * _DAY  # how long before they arrive backfilled rows happened


def _some(table: pa.Table, share: float, rng: Random) -> Mask:
    return np.asarray(rng.random(table.num_rows) < share)


def _known_in(table: pa.Table, start: Any, end: Any) -> Mask:
    known = table[KNOWN].to_numpy()
    return np.asarray((known > np.datetime64(start)) & (known <= np.datetime64(end)))


def _unit_change(table: pa.Table, target: Target, size: float, rng: Random) -> pa.Table:
    return multiply(table, target.column, np.full(table.num_rows, size))


def _null_spike(table: pa.Table, target: Target, size: float, rng: Random) -> pa.Table:
    return empty(table, target.column, _some(table, size, rng))


def _clipped_values(table: pa.Table, target: Target, size: float, rng: Random) -> pa.Table:
    values = table[target.column].drop_null().to_numpy()
    if not len(values):
        return table
    return limit(table, target.column, np.quantile(values, 1 - size).item())


def _upstream_filter(table: pa.Table, target: Target, size: float, rng: Random) -> pa.Table:
    values = table[target.column].to_numpy(zero_copy_only=False).astype(np.float64)
    largest = np.argsort(-values, kind="stable")[: round(size * len(values))]
    lost = np.zeros(len(values), dtype=bool)
    lost[largest] = True
    return lose(table, lost)


def _swapped_categories(table: pa.Table, target: Target, size: float, rng: Random) -> pa.Table:
    counts = Counter(table[target.column].drop_null().to_pylist())
    often = sorted(counts, key=lambda value: (-counts[value], value))
    if len(often) < 2:  # there is nothing to exchange
        return table
    return exchange(table, target.column, _some(table, size, rng), often[0], often[1])


def _shifted_labels(table: pa.Table, target: Target, size: float, rng: Random) -> pa.Table:
    return shift(table, target.column, np.flatnonzero(_some(table, size, rng)))


def _stale_feed(table: pa.Table, target: Target, size: float, rng: Random) -> pa.Table:
    return lose(table, _known_in(table, target.end - size * _DAY, target.end))


def _duplicated_day(table: pa.Table, target: Target, size: float, rng: Random) -> pa.Table:
    again = _known_in(table, target.end - (size + 1) * _DAY, target.end - _DAY)
    later = np.full(int(again.sum()), _DAY // MICROSECOND)
    new = renamable(table, [one for one in target.id if one not in target.keys])
    if target.id and not new:  # the copies would be the same events
        return table
    return repeat(table, again, KNOWN, later, new)


def _reused_ids(table: pa.Table, target: Target, size: float, rng: Random) -> pa.Table:
    return repeat_previous(table, target.id, _some(table, size, rng))


def _time_zone_slip(table: pa.Table, target: Target, size: float, rng: Random) -> pa.Table:
    return move(table, EVENT, np.full(table.num_rows, -int(size * _HOUR / MICROSECOND)))


def _label_from_the_future(table: pa.Table, target: Target, size: float, rng: Random) -> pa.Table:
    return move(table, EVENT, np.full(table.num_rows, int(size * _HOUR / MICROSECOND)))


def _poisoned_backfill(table: pa.Table, target: Target, size: float, rng: Random) -> pa.Table:
    rows = table.filter(pa.array(_some(table, size, rng)))
    rows = rename(rows, list(dict.fromkeys((*target.id, *target.keys))), "other")
    rows = multiply(rows, target.column, np.full(rows.num_rows, 10.0))
    back = np.full(rows.num_rows, -(_PAST // MICROSECOND))
    return pa.concat_tables([table, move(rows, EVENT, back)])


SHARES = (0.02, 0.1, 0.5, 1.0)
SHARE = "%"
EVENT_FAULTS = (
    EventFault(
        "unit_change",
        "A number is recorded in another unit.",
        "x",
        (1.5, 10.0, 1000.0),
        "number",
        _unit_change,
    ),
    EventFault(
        "null_spike", "Values of a column are missing.", SHARE, SHARES, "number", _null_spike
    ),
    EventFault(
        "clipped_values",
        "The largest values of a column are recorded as an upper limit.",
        SHARE,
        (0.01, 0.1, 0.5),
        "number",
        _clipped_values,
    ),
    EventFault(
        "upstream_filter",
        "Rows with the largest values are filtered out before they arrive.",
        SHARE,
        (0.02, 0.1, 0.5),
        "number",
        _upstream_filter,
    ),
    EventFault(
        "swapped_categories",
        "The two most frequent values of a category are exchanged.",
        SHARE,
        (0.1, 0.5, 1.0),
        "category",
        _swapped_categories,
    ),
    EventFault(
        "shifted_labels",
        "Values of the label's column are in the wrong rows.",
        SHARE,
        (0.1, 0.5, 1.0),
        "label",
        _shifted_labels,
    ),
    EventFault(
        "stale_feed", "A feed stops before as-of.", " d", (0.25, 1.0, 3.0, 7.0), "feed", _stale_feed
    ),
    EventFault(
        "duplicated_day",
        "Whole days arrive a second time, under new ids.",
        " d",
        (1.0, 3.0),
        "rows",
        _duplicated_day,
    ),
    EventFault(
        "reused_ids",
        "New events have the ids of other events, as when a counter restarts.",
        SHARE,
        (0.005, 0.05, 0.5),
        "id",
        _reused_ids,
    ),
    EventFault(
        "time_zone_slip",
        "Events are recorded earlier than they happened.",
        " h",
        (1.0, 2.0, 12.0),
        "rows",
        _time_zone_slip,
    ),
    EventFault(
        "label_from_the_future",
        "Outcomes have times after the moment at which they were known.",
        " h",
        (1.0, 24.0, 168.0),
        "known-time column",
        _label_from_the_future,
    ),
    EventFault(
        "poisoned_backfill",
        "Rows of another source are filled in: unknown entities, ten times the values.",
        SHARE,
        (0.02, 0.1, 0.5),
        "number",
        _poisoned_backfill,
    ),
)
LEAKED_COLUMN = Fault(
    "leaked_column",
    "A feature of past points contains their label.",
    SHARE,
    (0.02, 0.1, 0.5, 1.0),
)
MISSING_ONLINE = Fault(
    "missing_online",
    "The online store has lost values of a feature.",
    SHARE,
    (0.01, 0.1, 1.0),
)
SKEWED_FEATURE = Fault(
    "skewed_feature",
    "Requests are served ten times the value that training has for a feature.",
    SHARE,
    (0.001, 0.01, 0.1),
)
BROKEN_SPLIT = Fault(
    "broken_canary_split",
    "Requests are answered in another arm than the one that was assigned.",
    SHARE,
    (0.001, 0.01, 0.1),
)
SWAPPED_ARTIFACT = Fault(
    "swapped_artifact",
    "The champion's model file is replaced in the registry.",
    " file",
    (1.0,),
)
FAULTS: tuple[Fault, ...] = (
    *EVENT_FAULTS,
    LEAKED_COLUMN,
    MISSING_ONLINE,
    SKEWED_FEATURE,
    BROKEN_SPLIT,
    SWAPPED_ARTIFACT,
)
