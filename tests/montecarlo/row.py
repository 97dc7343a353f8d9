"""One promise and what came of it: a line of ``docs/proof.md``."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Literal

import numpy as np
from scipy.stats import binomtest, norm

from pipelines.core.arrays import Floats

Promise = Literal["at most", "at least", "equals"]


class Promised(ABC):
    """What was simulated, what was promised of it, and the limits of the truth."""

    what: str
    where: str
    promise: Promise | None

    @property
    @abstractmethod
    def limits(self) -> tuple[float, float]:
        """Where the true value lies, with 99 % confidence."""

    @property
    @abstractmethod
    def wanted(self) -> float:
        """The promised value."""

    @property
    def kept(self) -> bool:
        """Whether the limits allow what was promised."""
        low, high = self.limits
        return {
            None: True,
            "at most": low <= self.wanted,
            "at least": high >= self.wanted,
            "equals": low <= self.wanted <= high,
        }[self.promise]

    def _line(self, tried: int, found: str, limits: str, wanted: str) -> str:
        promised = "" if self.promise is None else f"{self.promise} {wanted}"
        answer = "" if self.promise is None else "yes" if self.kept else "**no**"
        return (
            f"| {self.what} | {self.where} | {tried:,} | {found} | {limits} | {promised} | "
            f"{answer} |"
        )


@dataclass(frozen=True)
class Row(Promised):
    """A share; its limits are exact binomial ones."""

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
    def wanted(self) -> float:
        """The promised rate."""
        return self.rate

    @property
    def line(self) -> str:
        """A line of the page's table."""
        low, high = self.limits
        found = f"{_number(self.hits / self.tries)}{self.more}"
        limits = f"{_number(low)} to {_number(high)}"
        return self._line(self.tries, found, limits, _number(self.rate))


@dataclass(frozen=True)
class MeanRow(Promised):
    """A mean; its limits are those of the normal law."""

    what: str
    where: str
    values: Floats
    promise: Promise | None = None
    mean: float = 0.0

    @property
    def limits(self) -> tuple[float, float]:
        """Where the true mean lies, with 99 % confidence."""
        reach = norm.isf(0.005) * float(np.std(self.values, ddof=1)) / math.sqrt(len(self.values))
        found = float(np.mean(self.values))
        return found - reach, found + reach

    @property
    def wanted(self) -> float:
        """The promised mean."""
        return self.mean

    @property
    def line(self) -> str:
        """A line of the page's table."""
        low, high = self.limits
        found = f"{np.mean(self.values):.3g}"
        return self._line(len(self.values), found, f"{low:.3g} to {high:.3g}", f"{self.mean:g}")


def _number(value: float) -> str:
    return f"{value:.2g}" if 0 < value < 0.01 else f"{value:.3f}".rstrip("0").rstrip(".")
