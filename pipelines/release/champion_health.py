"""The newest comparison of a champion with the naive forecast, as the ledger has it."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple

from pipelines.core.findings import Finding
from pipelines.gates.champion.emergency import WORSE_THAN_NAIVE
from pipelines.release.champion_periods import anchors
from pipelines.release.ledger import Entry


class ChampionHealth(NamedTuple):
    """What a run found about the champion of its time.

    Arguments:
        finding: of the comparison with the naive forecast.
        as_of: of the run.
    """

    finding: Finding
    as_of: datetime


def champion_health(entries: Sequence[Entry], version: str | None) -> ChampionHealth | None:
    """What the newest run found that was compared with a champion, or with an update of its anchor.

    Arguments:
        entries: of one lineage, oldest first.
        version: the champion; ``None`` where there is none.

    Returns:
        ``None`` if no candidate has been compared with the version yet.
    """
    if version is None:
        return None
    fitted = anchors(entries)
    found = [
        ChampionHealth(finding, entry.as_of)
        for entry in entries
        if (before := entry.champion_before) is not None
        and fitted.get(before, before) == fitted.get(version, version)
        for finding in entry.findings
        if finding.name == WORSE_THAN_NAIVE
    ]
    return found[-1] if found else None
