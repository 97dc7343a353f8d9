"""Real changes of demand: the world changes, and the truth with it."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Literal

import numpy as np
from pydantic import Field

from pipelines.core.arrays import Floats
from pipelines.simulation.catalogue import CHAINS, REGIONS
from pipelines.simulation.population import Population, generator
from pipelines.simulation.scenarios import Change
from pipelines.spec.fields import Share


class DemandShift(Change):
    """Demand of some medicines in some pharmacies is multiplied, at once or over several days."""

    kind: Literal["demand_shift"] = "demand_shift"
    factor: float = Field(gt=0)
    medicines: tuple[str, ...] = Field(default=(), description="default: all")
    chain: str | None = None
    over_days: int = Field(default=0, ge=0, description="days until the factor is reached")

    def expect(self, expected: Floats, day: date, population: Population) -> Floats:
        """Multiplies the chosen pairs."""
        medicines = np.array(
            [not self.medicines or m in self.medicines for m in population.medicines]
        )
        pharmacies = np.ones(len(population.pharmacies), dtype=bool)
        if self.chain is not None:
            pharmacies = population.chain == CHAINS.index(self.chain)
        factor = self.factor ** _progress(self.start.date(), day, self.over_days)
        return np.where(pharmacies[:, None] & medicines[None, :], expected * factor, expected)


class Substitution(Change):
    """A share of one medicine's prescriptions is written for another instead."""

    kind: Literal["substitution"] = "substitution"
    medicine: str
    by: str
    share: Share = 0.85
    over_days: int = Field(default=7, ge=0)

    def expect(self, expected: Floats, day: date, population: Population) -> Floats:
        """Moves prescriptions from one column to another; the sum stays the same."""
        after = expected.copy()
        old, new = population.medicine_index(self.medicine), population.medicine_index(self.by)
        moved = expected[:, old] * self.share * _progress(self.start.date(), day, self.over_days)
        after[:, old] -= moved
        after[:, new] += moved
        return after


class MonthlyCycle(Change):
    """A share of some medicines' prescriptions is brought forward to the first days of the month.

    Models repeat-dispensing programmes, which supply care homes once a month. The total demand of a
    month stays the same, except for differences between its days.
    """

    kind: Literal["monthly_cycle"] = "monthly_cycle"
    medicines: tuple[str, ...] = Field(default=(), description="default: all")
    share: Share = 0.6
    days: int = Field(default=7, ge=1, le=28)

    def expect(self, expected: Floats, day: date, population: Population) -> Floats:
        """Concentrates the chosen medicines' demand."""
        chosen = np.array([not self.medicines or m in self.medicines for m in population.medicines])
        length = (
            (day.replace(day=1) + timedelta(days=32)).replace(day=1) - day.replace(day=1)
        ).days
        extra = self.share * length / self.days if day.day <= self.days else 0.0
        return np.where(chosen[None, :], expected * (1 - self.share + extra), expected)


class BulkOrders(Change):
    """A share of all prescriptions is collected in bulk, for several weeks, without notice.

    Each pair has its own bulk days. The long-run demand stays the same but becomes skewed: the
    weekly median is far below the mean. The truth includes the bulk days.
    """

    kind: Literal["bulk_orders"] = "bulk_orders"
    moved: Share = Field(default=0.8, description="of the prescriptions")
    days: float = Field(default=0.07, gt=0, le=1, description="share of days on which one comes")
    region: str | None = Field(default=None, description="whose pharmacies; default: all")
    seed: int = Field(default=0, ge=0)

    def expect(self, expected: Floats, day: date, population: Population) -> Floats:
        """Concentrates the demand of each pair on its days."""
        rng = generator(self.seed, "bulk orders", day.toordinal())
        comes = rng.random(expected.shape) < self.days
        factor = np.where(comes, 1 - self.moved + self.moved / self.days, 1 - self.moved)
        if self.region is not None:
            there = population.region == REGIONS.index(self.region)
            factor = np.where(there[:, None], factor, 1.0)
        return expected * factor


def _progress(start: date, day: date, over_days: int) -> float:
    """0 before the start, 1 once ``over_days`` have passed."""
    return float(np.clip(((day - start).days + 1) / (over_days + 1), 0, 1))
