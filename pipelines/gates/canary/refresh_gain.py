"""What one refresh gained in its canary, as the ledger keeps it."""

from __future__ import annotations

from pydantic import Field

from pipelines.core.records import Record

PAYS = "canary.refreshes_pay"  # the finding about several of them


class RefreshGain(Record):
    """The gain of a refresh in its canary, over whole weeks whose number was fixed before."""

    outcome: str = Field(description="hash of what the canary's outcome measures")
    weeks: int = Field(ge=1)
    gain: float | None = Field(
        description="in the outcome's unit, above zero is better; null: the canary did harm, ended "
        "before these weeks were over or had incomplete outcomes, or the refresh was rolled back"
    )
    margin: float = Field(gt=0, description="loss that the canary allowed, in the outcome's unit")
    wins: bool = Field(
        default=True,
        description="whether a gain above zero counts; not where the arms' late events could not "
        "be compared",
    )

    @property
    def result(self) -> float:
        """The gain in margins, from -1 to 1; -1 where there is none."""
        if self.gain is None:
            return -1.0
        return min(1.0 if self.wins else 0.0, max(-1.0, self.gain / self.margin))
