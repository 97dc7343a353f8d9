"""The result of a drill: which check catches which fault, from which size on."""

from __future__ import annotations

from pydantic import Field

from pipelines.core.formats import StoredFormat
from pipelines.core.records import Instant, Record
from pipelines.spec.fields import Duration


class FaultCost(Record):
    """The loss while a fault that no check caught lasts; above zero, the fault does harm."""

    value: float = Field(description="per prediction, in the metric's unit")
    low: float | None = Field(description="lower end of the interval; null: equal on all rows")
    high: float | None = Field(description="upper end of the interval; null: equal on all rows")
    level: float = Field(description="coverage of the interval")
    rows: int = Field(description="predictions that were compared")
    lost: int = Field(default=0, description="predictions that the fault prevents")


class Cell(Record):
    """One fault in one size."""

    size: float
    caught_by: tuple[str, ...] = Field(
        default=(), description="findings that the fault turned against the data, in their order"
    )
    reason: str = Field(default="", description="of the first of them")
    cost: FaultCost | None = Field(default=None, description="null: caught, or not measured")

    @property
    def caught(self) -> bool:
        """Whether any check caught it."""
        return bool(self.caught_by)


class FaultRow(Record):
    """One fault in all sizes."""

    fault: str
    description: str
    sizes: tuple[str, ...] = Field(description="with their unit")
    place: str = Field(default="", description="stream and column that it was planted in")
    cells: tuple[Cell, ...] = ()
    not_applicable: str = Field(default="", description="why it was not planted")

    @property
    def smallest_caught(self) -> str:
        """The smallest size from which on every size is caught; empty if there is none."""
        found = ""
        for size, cell in zip(reversed(self.sizes), reversed(self.cells), strict=True):
            if not cell.caught:
                break
            found = size
        return found


class CleanStretch(Record):
    """Past fresh rows of the model's own data, as they are."""

    as_of: Instant = Field(description="its rows became known within one lookback before")
    fired: tuple[str, ...] = Field(description="findings that would have stopped a retraining")


class Matrix(Record):
    """The result of a drill."""

    model: str
    version: str
    as_of: Instant
    drilled_at: Instant
    metric: str
    minimum_effect: float
    quick: bool = Field(description="nothing was trained, so costs are unknown")
    rows: tuple[FaultRow, ...]
    lookback: Duration = Field(description="of the contract")
    stretches: tuple[CleanStretch, ...] = Field(description="each as long as the lookback")

    @property
    def fired(self) -> int:
        """Stretches without a planted fault that a suite stopped."""
        return sum(bool(one.fired) for one in self.stretches)


MATRIX = StoredFormat("the result of a drill", Matrix)
