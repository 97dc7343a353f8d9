"""The noise-free demand of a day, from which the world's truth is computed."""

from __future__ import annotations

from datetime import date, timedelta

import numpy as np

from pipelines.core.arrays import Floats
from pipelines.simulation.catalogue import (
    CLASSES,
    EPIDEMIC_CLASSES,
    KIND_NAMES,
    KINDS,
    REGIONS,
    SEASONS,
)
from pipelines.simulation.population import Population, generator
from pipelines.simulation.scale import Scale

_RAMP_DAYS = 21.0  # a newcomer reaches three quarters of its level within about four weeks
_CLOSED = {(1, 1), (12, 25), (12, 26)}
_CLOSED_FACTOR = 0.1
_POLLEN_LAG_DAYS = (6.0, 0.0, -6.0, 0.0)  # spring starts in the south


def base_rates(population: Population, scale: Scale) -> Floats:
    """Prescriptions of every pair on a working day without season, (P, M).

    Scaled so that they add up to ``scale.prescriptions_per_day`` over the seasons of a year.
    """
    rates = population.size[:, None] * population.popularity[None, :] * population.affinity
    year = [np.mean([SEASONS[name].at(day) for day in range(1, 366)]) for name in CLASSES]
    yearly = rates * np.array(year)[population.medicine_class][None, :]
    return np.asarray(rates * (scale.prescriptions_per_day / yearly.sum()))


def prescriptions(
    population: Population, base: Floats, seed: int, start: date, day: date
) -> Floats:
    """Expected prescriptions of every pair on one day, before any scenario, (P, M)."""
    age = (day - start).days
    years = age / 365.25
    rates = base * np.exp(population.growth[:, None] * years + population.trend[None, :] * years)
    rates = rates * _present(age - population.opened)[:, None]
    rates = rates * _present(age - population.launched)[None, :]
    rates = rates * _weekday(population, day)[:, None]
    by_class = _season(day)[population.region] * _epidemics(seed, day)[population.region]
    by_class = by_class * _local_waves(population, age)
    return np.asarray(rates * by_class[:, population.medicine_class])


def _present(age: Floats) -> Floats:
    """0 before a newcomer appears, then rising to 1."""
    return np.where(age < 0, 0.0, 1 - np.exp(-(np.maximum(age, 0) + 1) / _RAMP_DAYS))


def _weekday(population: Population, day: date) -> Floats:
    factors = np.array([KINDS[name].weekdays[day.weekday()] for name in KIND_NAMES])
    if (day.month, day.day) in _CLOSED:
        factors = factors * _CLOSED_FACTOR
    return factors[population.kind]


def _season(day: date) -> Floats:
    """(regions, classes)"""
    today = day.timetuple().tm_yday
    return np.array(
        [
            [SEASONS[name].at(today - (lag if name == "allergy" else 0)) for name in CLASSES]
            for lag in _POLLEN_LAG_DAYS
        ]
    )


def _epidemics(seed: int, day: date) -> Floats:
    """Factor (regions, classes): two local outbreaks in each region in each year."""
    factors = np.ones((len(REGIONS), len(CLASSES)))
    for region in range(len(REGIONS)):
        for year in (day.year - 1, day.year, day.year + 1):
            rng = generator(seed, "epidemics", region, year)
            for _ in range(2):
                name = EPIDEMIC_CLASSES[int(rng.integers(len(EPIDEMIC_CLASSES)))]
                centre = date(year, 1, 1) + timedelta(days=int(rng.integers(365)))
                height, width = rng.uniform(0.5, 1.2), rng.uniform(6, 12)
                distance = (day - centre).days / width
                factors[region, CLASSES.index(name)] *= 1 + height * np.exp(-(distance**2) / 2)
    return factors


def _local_waves(population: Population, age: int) -> Floats:
    """Slow local variation, (P, classes): two waves, which need no horizon and no state."""
    waves = np.sin(population.wave_phase + 2 * np.pi * age / population.wave_period)
    return np.asarray(np.exp(0.08 * waves.sum(axis=2)))
