"""The holdbacks of a lineage: when which former champion kept a share of the entities."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime

from pipelines.release.ledger import Entry
from pipelines.release.rollout.transition import Stage


@dataclass(frozen=True)
class HoldbackPeriod:
    """A holdback, running or over.

    Arguments:
        champion: the version that was promoted.
        former: the version that kept a share of the entities.
        salt: assigns entities to its arms.
        since: when it began.
        until: when it ended or its champion was replaced; ``None`` while it runs.
    """

    champion: str
    former: str
    salt: str
    since: datetime
    until: datetime | None = None


def holdback_periods(entries: Iterable[Entry]) -> tuple[HoldbackPeriod, ...]:
    """The holdbacks of one lineage, oldest first.

    Arguments:
        entries: of the lineage, oldest first.
    """
    found: list[HoldbackPeriod] = []
    running: HoldbackPeriod | None = None
    for entry in entries:
        if running is not None and (entry.moves or entry.transition is not None):
            found.append(replace(running, until=entry.recorded_at))
            running = None
        begun = entry.transition
        if begun is not None and begun.stage is Stage.HOLDBACK and entry.champion_after:
            running = HoldbackPeriod(
                entry.champion_after, begun.challenger, begun.salt, entry.recorded_at
            )
    return (*found, *([] if running is None else [running]))
