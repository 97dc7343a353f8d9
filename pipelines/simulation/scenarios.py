"""Declared scenarios of a world: real changes of demand, and faults in the recorded data.

A scenario is active from one instant to another. While active, it may transform a day's expected
prescriptions (``expect``: the world and its truth change) or a day's table of a stream (``record``:
the world is unchanged and its record is wrong).
"""

# ruff: noqa: ARG002 - all scenarios have the same signature, also if they ignore arguments

from __future__ import annotations

from datetime import date
from typing import TYPE_CHECKING, Any

from pydantic import model_validator

from pipelines.core.arrays import Floats
from pipelines.core.records import Instant, Record
from pipelines.simulation.population import Population

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa

HAPPENED = "_happened"  # true time of a row, dropped before a table is returned


class Scenario(Record):
    """A scenario that is active from ``start`` until ``end``; without an end, permanently."""

    kind: str
    start: Instant
    end: Instant | None = None

    def active(self, instant: Any) -> bool:
        """Whether the scenario is active at an instant."""
        return self.start <= instant and (self.end is None or instant < self.end)

    def expect(self, expected: Floats, day: date, population: Population) -> Floats:
        """Expected prescriptions of one day, (P, M), after the change."""
        return expected

    def record(
        self, stream: str, table: pa.Table, rng: np.random.Generator, population: Population
    ) -> pa.Table:
        """A day's table of a stream as it is recorded."""
        return table


class Change(Scenario):
    """A real change of demand. It begins and ends at midnight UTC."""

    @model_validator(mode="after")
    def _midnight(self) -> Change:
        if any(t is not None and t.time() != t.time().min for t in (self.start, self.end)):
            raise ValueError("a change of demand begins and ends at midnight UTC")
        return self
