"""A fault: what it does, in which sizes, and to which part of a model's events."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa

Part = Literal["number", "category", "label", "feed", "rows", "id", "known-time column"]
EVENT, KNOWN = "event_time", "known_time"  # columns of a canonical table


@dataclass(frozen=True)
class Fault:
    """A known fault.

    Arguments:
        name: how the drill and its option name it.
        description: what happens, in one sentence.
        unit: what a size counts, as a suffix: ``"%"`` for shares, ``"x"``, ``" d"``.
        sizes: growing.
    """

    name: str
    description: str
    unit: str
    sizes: tuple[float, ...]

    def size_text(self, size: float) -> str:
        """A size with its unit.

        >>> Fault("null_spike", "Values are missing.", "%", (0.05,)).size_text(0.05)
        '5%'
        """
        number = 100 * size if self.unit == "%" else size
        return f"{number:.3g}{self.unit}"


@dataclass(frozen=True)
class Target:
    """The part of a model's events that a fault concerns.

    Arguments:
        stream: its name.
        column: the column concerned; empty for faults of ids and of whole rows.
        id: columns of a canonical table that identify an event; may be empty.
        keys: columns of the entity that the stream has.
        end: UTC without a zone; the newest instant at which rows are known.
    """

    stream: str
    column: str
    id: tuple[str, ...]
    keys: tuple[str, ...]
    end: datetime


Plant = Callable[["pa.Table", Target, float, "np.random.Generator"], "pa.Table"]


@dataclass(frozen=True)
class EventFault(Fault):
    """A fault in the events of one stream.

    Arguments:
        part: what it concerns: a column of numbers or categories, the label's column, the id,
            whole rows, a feed, or a known time that is a column of its own.
        plant: returns the rows of a canonical table with the fault.
    """

    part: Part
    plant: Plant
