"""The lock port: one run at a time for each model and lineage.

Whoever promotes, rolls back or reconciles holds it. Who wins is decided by the ledger's
compare-and-swap, with or without the lock; the lock keeps others from looking at a registry whose
alias is on its way, and saves the work of a run that would lose.
"""

from __future__ import annotations

from contextlib import AbstractContextManager
from typing import Protocol

from pipelines.core.errors import LockedError
from pipelines.core.records import Instant, Record
from pipelines.core.time import instant_text


class Holder(Record):
    """Who holds a lock since when."""

    who: str
    since: Instant


class Lock(Protocol):
    """Implementations: a file for embedded homes, an advisory lock on PostgreSQL."""

    def hold(self, model: str, lineage: str, who: str) -> AbstractContextManager[Holder]:
        """Hold the lock during a ``with`` block. It ends with the process, however that ends.

        Not reentrant: a second ``hold`` is refused, also within one process.

        Arguments:
            who: shown to whoever comes meanwhile: run, host, process.

        Raises:
            LockedError: somebody else holds it. Says who, and since when.
            Unavailable: the database did not answer.
        """
        ...


def refuse(model: str, lineage: str, holder: Holder | None) -> LockedError:
    """The error that tells a newcomer who is at work."""
    who = f"{holder.who} since {instant_text(holder.since)}" if holder else "not yet known"
    return LockedError(
        "another run of this model is at work",
        where=f"{model}, lineage {lineage}",
        got=f"held by {who}",
        hint="wait for it, or end that process: the lock ends with it",
    )
