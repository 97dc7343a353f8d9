"""The rows of one day in each stream, before any fault."""

from __future__ import annotations

from datetime import UTC, date, datetime, time
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
import pyarrow as pa
import pyarrow.compute

from pipelines.core.arrays import Floats, Integers, Mask
from pipelines.simulation.catalogue import CHAINS, KIND_NAMES, KINDS, REGIONS, ZONE
from pipelines.simulation.population import Population
from pipelines.simulation.scale import Scale
from pipelines.simulation.scenarios import HAPPENED

pc: Any = pyarrow.compute  # its type stubs do not support mixing scalars and columns
MINUTE, HOUR, DAY = 60_000_000, 3_600_000_000, 86_400_000_000
INSTANT = pa.timestamp("us", tz="UTC")
_COUNT_AT = 21 * HOUR  # stock is counted after closing, deliveries come before opening
_DELIVER_AT = 4 * HOUR
_PUBLISH_AT = 5 * HOUR
_OVERNIGHT_SHARE = 0.1


def midnight(day: date) -> int:
    """Microseconds since 1970 at a day's midnight UTC."""
    return int(datetime.combine(day, time(), UTC).timestamp()) * 1_000_000


def dispensing_rows(
    population: Population,
    day: date,
    cells: Integers,
    packs: Integers,
    *,
    scale: Scale,
    prices: Floats,
    rng: np.random.Generator,
) -> pa.Table:
    """One row for each prescription; ``cells`` are positions in the flat (P, M), (rows,)."""
    n = len(cells)
    pharmacy, medicine = np.divmod(cells, len(population.medicines))
    kind = population.kind[pharmacy]
    opens = np.array([KINDS[name].opens for name in KIND_NAMES])[kind]
    closes = np.array([KINDS[name].closes for name in KIND_NAMES])[kind]
    local = opens + (closes - opens) * rng.beta(1.6, 1.6, n)
    noon = datetime.combine(day, time(12), ZoneInfo(ZONE))
    offset = noon.utcoffset()
    shift = offset.total_seconds() / 3600 if offset else 0.0
    # only an online pharmacy's late evening can be outside the UTC day
    happened = midnight(day) + np.clip((local - shift) * HOUR, 0, DAY - 1).astype(np.int64)
    known = happened + _delays(n, scale.late_share, rng)
    price = pa.array(
        np.round(prices[medicine] * population.markup[pharmacy], 2),
        mask=rng.random(n) < scale.price_missing_share,
    )
    number = pc.utf8_lpad(pa.array(np.arange(n)).cast(pa.string()), 6, "0")
    return pa.table(
        {
            "dispensing_id": pc.binary_join_element_wise(f"{day:%Y%m%d}", number, "-"),
            "pharmacy": _named(population.pharmacies, pharmacy),
            "medicine": _named(population.medicines, medicine),
            "region": _named(REGIONS, population.region[pharmacy]),
            "chain": _named(CHAINS, population.chain[pharmacy]),
            "kind": _named(KIND_NAMES, kind),
            "quantity": pa.array(packs.astype(np.float64)),
            "price": price,
            "dispensed_at": _instants(happened),
            "recorded_at": _instants(known),
            HAPPENED: _instants(happened),
        }
    )


def stock_rows(
    population: Population,
    day: date,
    on_hand: Floats,
    sold_here: Mask,
    rng: np.random.Generator,
) -> pa.Table:
    """The evening's count of every medicine that a pharmacy keeps; ``on_hand`` is (P, M)."""
    pharmacy, medicine = np.nonzero(sold_here)
    n = len(pharmacy)
    counted = midnight(day) + _COUNT_AT + rng.integers(0, HOUR, n)
    return pa.table(
        {
            "pharmacy": _named(population.pharmacies, pharmacy),
            "medicine": _named(population.medicines, medicine),
            "chain": _named(CHAINS, population.chain[pharmacy]),
            "on_hand": pa.array(on_hand[pharmacy, medicine]),
            "counted_at": _instants(counted),
            "reported_at": _instants(counted + rng.integers(5 * MINUTE, 90 * MINUTE, n)),
            HAPPENED: _instants(counted),
        }
    )


def delivery_rows(
    population: Population, day: date, delivered: Floats, rng: np.random.Generator
) -> pa.Table:
    """One row for each medicine delivered to a pharmacy; ``delivered`` packs, (P, M)."""
    pharmacy, medicine = np.nonzero(delivered > 0)
    n = len(pharmacy)
    happened = midnight(day) + _DELIVER_AT + rng.integers(0, HOUR, n)
    return pa.table(
        {
            "delivery_id": pc.binary_join_element_wise(
                f"D{day:%Y%m%d}", pa.array(np.arange(n)).cast(pa.string()), "-"
            ),
            "pharmacy": _named(population.pharmacies, pharmacy),
            "medicine": _named(population.medicines, medicine),
            "chain": _named(CHAINS, population.chain[pharmacy]),
            "packs": pa.array(delivered[pharmacy, medicine]),
            "delivered_at": _instants(happened),
            "recorded_at": _instants(happened + rng.integers(MINUTE, 12 * HOUR, n)),
            HAPPENED: _instants(happened),
        }
    )


def price_rows(population: Population, day: date, prices: Floats) -> pa.Table:
    """The list of prices, published on the 1st and the 15th of a month; ``prices`` is (M,)."""
    n = len(prices) if day.day in (1, 15) else 0
    published = np.full(n, midnight(day) + _PUBLISH_AT)
    return pa.table(
        {
            "medicine": _named(population.medicines, np.arange(n)),
            "price": pa.array(np.round(prices[:n], 2)),
            "published_at": _instants(published),
            "received_at": _instants(published + 10 * MINUTE),
            HAPPENED: _instants(published),
        }
    )


def _delays(n: int, late_share: float, rng: np.random.Generator) -> Integers:
    """Delay from event to record: minutes, hours for nightly batches, 1 to 4 days for late rows."""
    delay = np.minimum(rng.lognormal(np.log(5), 1.0, n), 180) * MINUTE
    draw = rng.random(n)
    overnight = draw < late_share + _OVERNIGHT_SHARE
    delay = np.where(overnight, rng.uniform(3, 16, n) * HOUR, delay)
    late = draw < late_share
    return np.where(late, rng.uniform(1, 4, n) * DAY, delay).astype(np.int64)


def _named(names: tuple[str, ...], index: Integers) -> pa.Array[Any]:
    return pa.array(names, pa.string()).take(pa.array(index, pa.int64()))


def _instants(microseconds: Integers) -> pa.Array[Any]:
    return pa.array(microseconds, pa.int64()).cast(INSTANT)
