"""What can happen to a world, declared: real changes of demand, and faults in what is recorded.

There is one mechanism. A scenario is in force from one instant to another; while it is, it may
transform a day's expected prescriptions (``expect``: the world has changed and the truth with it)
or a day's table of a stream (``record``: the world is as before and its record is wrong).
"""

# ruff: noqa: ARG002 - every scenario is called alike, whether it needs all of it or not

from __future__ import annotations

from datetime import date
from typing import Any

import numpy as np
import pyarrow as pa
from pydantic import model_validator

from pipelines.core.arrays import Floats
from pipelines.core.records import Instant, Record
from pipelines.simulation.population import Population

HAPPENED = "_happened"  # true time of a row, dropped before a table leaves the world


class Scenario(Record):
    """Something in force from ``start`` until ``end``; without an end, for good."""

    kind: str
    start: Instant
    end: Instant | None = None

    def active(self, instant: Any) -> bool:
        """Whether the scenario is in force at an instant."""
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
