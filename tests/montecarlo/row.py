"""One promise and what came of it: a line of ``docs/proof.md``."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

import numpy as np
from scipy.stats import binomtest, norm

from pipelines.core.arrays import Floats

Promise = Literal["at most", "at least"]


@dataclass(frozen=True)
class Row:
    what: str
    where: str
    hits: int
    tries: int
    promise: Promise | None = None
    rate: float = 0.0
    more: str = ""

    @property
    def limits(self) -> tuple[float, float]:
        """Where the true rate lies, with 99 % confidence."""
        found = binomtest(self.hits, self.tries).proportion_ci(0.99, "exact")
        return float(found.low), float(found.high)

    @property
    def kept(self) -> bool:
        """Whether the limits allow what was promised."""
        low, high = self.limits
        if self.promise is None:
            return True
        return low <= self.rate if self.promise == "at most" else high >= self.rate

    @property
    def line(self) -> str:
        low, high = self.limits
        promised = "" if self.promise is None else f"{self.promise} {_number(self.rate)}"
        answer = "" if self.promise is None else "yes" if self.kept else "**no**"
        return (
            f"| {self.what} | {self.where} | {self.tries:,} | {_number(self.hits / self.tries)}"
            f"{self.more} | {_number(low)} to {_number(high)} | {promised} | {answer} |"
        )


@dataclass(frozen=True)
class MeanRow:
    """A mean and what was promised of it; its limits are those of the normal law."""

    what: str
    where: str
    values: Floats
    promise: Literal["at most", "equals"] | None = None
    wanted: float = 0.0

    @property
    def limits(self) -> tuple[float, float]:
        """Where the true mean lies, with 99 % confidence."""
        reach = norm.isf(0.005) * float(np.std(self.values, ddof=1)) / math.sqrt(len(self.values))
        mean = float(np.mean(self.values))
        return mean - reach, mean + reach

    @property
    def kept(self) -> bool:
        """Whether the limits allow what was promised."""
        low, high = self.limits
        if self.promise is None:
            return True
        return low <= self.wanted and (self.promise == "at most" or self.wanted <= high)

    @property
    def line(self) -> str:
        low, high = self.limits
        promised = "" if self.promise is None else f"{self.promise} {self.wanted:g}"
        answer = "" if self.promise is None else "yes" if self.kept else "**no**"
        return (
            f"| {self.what} | {self.where} | {len(self.values):,} | {np.mean(self.values):.3g} | "
            f"{low:.3g} to {high:.3g} | {promised} | {answer} |"
        )


def _number(value: float) -> str:
    return f"{value:.2g}" if 0 < value < 0.01 else f"{value:.3f}".rstrip("0").rstrip(".")
