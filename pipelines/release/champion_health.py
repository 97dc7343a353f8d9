"""The newest comparison of a champion with the naive forecast, as the ledger has it."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from pipelines.core.findings import Finding
from pipelines.gates.champion.emergency import WORSE_THAN_NAIVE
from pipelines.release.ledger import Entry


def champion_health(
    entries: Sequence[Entry], version: str | None, moment: datetime
) -> Finding | None:
    """The finding of the newest run that was compared with a champion.

    Arguments:
        entries: the lineage's chain, oldest first.
        version: the champion; ``None`` where there is none.
        moment: entries that were recorded later do not count.

    Returns:
        ``None`` if the version has been compared with no candidate yet.
    """
    found = [
        finding
        for entry in entries
        if entry.champion_before == version and entry.recorded_at <= moment
        for finding in entry.findings
        if finding.name == WORSE_THAN_NAIVE
    ]
    return found[-1] if version is not None and found else None
