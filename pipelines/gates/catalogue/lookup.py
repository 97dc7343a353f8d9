"""All entries, in the order of the gates, and the entry of a finding."""

from __future__ import annotations

from pipelines.gates.catalogue.availability import AVAILABILITY
from pipelines.gates.catalogue.entry import FindingEntry
from pipelines.gates.catalogue.live import CANARY, SHADOW
from pipelines.gates.catalogue.offline import (
    AUDIT,
    BUDGET,
    CHAMPION,
    CONTRACT,
    RECENT_WINDOW,
    REFRESH,
)
from pipelines.gates.catalogue.updates import UPDATE

CATALOGUE: tuple[FindingEntry, ...] = (
    *CONTRACT,
    *AVAILABILITY,
    *RECENT_WINDOW,
    *CHAMPION,
    *REFRESH,
    *UPDATE,
    *AUDIT,
    *BUDGET,
    *SHADOW,
    *CANARY,
)


def entry_of(name: str) -> FindingEntry | None:
    """The entry that describes a finding; the most specific one. None: not in the catalogue.

    >>> entry_of("availability.parity.prediction").name
    'availability.parity.prediction'
    >>> entry_of("canary.harm.packs_sold.region.north").name
    'canary.harm.<metric>.<column>.<value>'
    """
    found = [entry for entry in CATALOGUE if entry.describes(name)]
    return min(found, key=lambda entry: entry.name.count("<"), default=None)
