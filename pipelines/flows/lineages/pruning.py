"""Removing the versions and files of a backfill; its decisions stay in the ledger."""

from __future__ import annotations

import shutil

from pipelines.core.errors import SpecError
from pipelines.flows.retrain.run import RetrainCollaborators
from pipelines.release.ledger import LIVE


def prune_lineage(model: str, lineage: str, collaborators: RetrainCollaborators) -> int:
    """Remove the versions of a lineage, their copies on this machine, and the files of its runs.

    Safe to repeat.

    Returns:
        How many versions were removed.

    Raises:
        SpecError: the lineage is ``live``.
        LockedError: a run of the lineage is at work.
        Unavailable: the registry does not answer.
    """
    if lineage == LIVE:
        raise SpecError(
            "the lineage live is never pruned",
            where=model,
            hint="a retraining removes versions of live that nothing needs",
        )
    reader = collaborators.versions
    with collaborators.lock(model, lineage):
        found = [one for one in reader.registry.versions(model) if one.lineage == lineage]
        for info in found:
            reader.registry.remove(info)
            shutil.rmtree(reader.folder / info.content, ignore_errors=True)
        entries = collaborators.ledger.entries(model, lineage)
        collaborators.runs.remove(model, {entry.run for entry in entries})
    return len(found)
