"""Pharmacies and medicines of one world, drawn once from its seed."""

from __future__ import annotations

import zlib
from dataclasses import dataclass
from typing import Any

import numpy as np

from pipelines.core.arrays import Floats, Integers
from pipelines.simulation.catalogue import (
    CHAINS,
    CLASSES,
    KIND_NAMES,
    KINDS,
    MEDICINES,
    REGIONS,
    medicine_names,
)
from pipelines.simulation.scale import Scale


def generator(seed: int, subject: str, *numbers: int) -> np.random.Generator:
    """An independent random generator for a subject (and a day, a region ...) of a world.

    Each day of each stream has its own, so that extending a world keeps its earlier rows.
    """
    return np.random.default_rng([seed, zlib.crc32(subject.encode()), *numbers])


@dataclass(frozen=True)
class Population:
    """P pharmacies and M medicines; arrays are indexed by their position."""

    pharmacies: tuple[str, ...]
    medicines: tuple[str, ...]
    region: Integers  # (P,) into REGIONS
    chain: Integers  # (P,) into CHAINS
    kind: Integers  # (P,) into KINDS
    size: Floats  # (P,) relative
    opened: Floats  # (P,) day of the world; before 0: older than the world
    growth: Floats  # (P,) log growth in a year
    delivery_weekday: Integers  # (P,) 0 is Monday
    markup: Floats  # (P,) factor on the list price
    medicine_class: Integers  # (M,) into CLASSES
    pack_size: Integers  # (M,) tablets or doses in a pack
    list_price: Floats  # (M,) euro a pack at the start
    price_drift: Floats  # (M,) log change in a year
    popularity: Floats  # (M,) relative
    launched: Floats  # (M,) day of the world
    trend: Floats  # (M,) log growth in a year
    affinity: Floats  # (P, M) factor, mean about 1
    wave_phase: Floats  # (P, classes, 2) of two slow waves
    wave_period: Floats  # (P, classes, 2) in days

    @property
    def extra_packs(self) -> Floats:
        """Mean packs of a prescription beyond the first, (P,)."""
        return np.array([KINDS[name].extra_packs for name in KIND_NAMES])[self.kind]

    def medicine_index(self, name: str) -> int:
        """Position of a medicine."""
        return self.medicines.index(name)


def draw_population(scale: Scale, seed: int) -> Population:
    """The population of a world: a pure function of scale and seed."""
    p, m = scale.pharmacies, scale.medicines
    of_pharmacies: Any = generator(seed, "pharmacies")
    of_medicines: Any = generator(seed, "medicines")
    of_pairs: Any = generator(seed, "pairs")
    kind = _shares(p, [KINDS[name].weight for name in KIND_NAMES])
    of_pharmacies.shuffle(kind)
    rows = [MEDICINES[i % len(MEDICINES)] for i in range(m)]
    jitter = of_medicines.lognormal(0, 0.1, m)
    return Population(
        pharmacies=tuple(f"pharmacy_{i + 1:03d}" for i in range(p)),
        medicines=medicine_names(m),
        region=np.arange(p) % len(REGIONS),
        chain=of_pharmacies.permutation(np.arange(p) % len(CHAINS)),
        kind=kind,
        size=np.array([KINDS[name].size for name in KIND_NAMES])[kind]
        * of_pharmacies.lognormal(0, 0.35, p),
        opened=_appearance(of_pharmacies, p, scale.newcomer_share),
        growth=of_pharmacies.normal(0.02, 0.06, p),
        delivery_weekday=of_pharmacies.integers(0, 5, p),
        markup=of_pharmacies.normal(1.0, 0.02, p),
        medicine_class=np.array([CLASSES.index(row[1]) for row in rows]),
        pack_size=np.array([row[2] for row in rows]),
        list_price=np.array([row[3] for row in rows]) * jitter,
        price_drift=of_medicines.normal(0.01, 0.03, m),
        popularity=np.array([row[4] for row in rows]) * of_medicines.lognormal(0, 0.15, m),
        launched=_appearance(of_medicines, m, scale.newcomer_share),
        trend=of_medicines.normal(0.0, 0.08, m),
        affinity=of_pairs.lognormal(-0.045, 0.3, (p, m)),
        wave_phase=of_pairs.uniform(0, 2 * np.pi, (p, len(CLASSES), 2)),
        wave_period=of_pairs.uniform(25, 90, (p, len(CLASSES), 2)),
    )


def _shares(number: int, weights: list[float]) -> Integers:
    """``number`` labels, distributed as closely to the weights as whole numbers allow."""
    edges = np.cumsum(weights) / np.sum(weights)
    return np.searchsorted(edges, (np.arange(number) + 0.5) / number).astype(np.int64)


def _appearance(rng: Any, number: int, newcomer_share: float) -> Floats:
    """Day on which each appears: between days 40 and 500 for newcomers, else long before day 0."""
    days = np.full(number, -10_000.0)
    newcomers = rng.permutation(number)[: int(newcomer_share * number)]
    days[newcomers] = rng.integers(40, 500, len(newcomers))
    return days
