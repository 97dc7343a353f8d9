"""One promise and what came of it: a line of ``docs/proof.md``."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from scipy.stats import binomtest

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


def _number(value: float) -> str:
    return f"{value:.2g}" if 0 < value < 0.01 else f"{value:.3f}".rstrip("0").rstrip(".")
