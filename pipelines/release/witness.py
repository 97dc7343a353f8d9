"""The witness of a ledger: the newest entry's hash, kept outside the ledger's database.

A chain cannot show that its newest entries were deleted. The witness does: an entry that it names
and the ledger lacks was deleted. It is written after each append, so it may be behind the ledger
after a kill, but never ahead of it.
"""

from __future__ import annotations

from typing import Protocol

from pydantic import Field

from pipelines.core.records import Record


class WitnessedEntry(Record):
    """The newest entry of a chain that a witness knows."""

    sequence: int = Field(ge=1)
    hash: str = Field(pattern=r"^[0-9a-f]{64}$")


class Witness(Protocol):
    """Keeps the newest entry of each chain. Implementation: files in the home folder."""

    def newest(self, model: str, lineage: str) -> WitnessedEntry | None:
        """The newest entry that was recorded; None if there was none.

        Raises:
            IntegrityError: what was recorded cannot be read.
        """
        ...

    def record(self, model: str, lineage: str, entry: WitnessedEntry) -> None:
        """Record an entry, unless a newer one of the chain is recorded.

        Raises:
            Unavailable: it cannot be written; running again is safe.
        """
        ...
