"""Removes versions and files of runs that nothing needs any more, at the end of a run."""

from __future__ import annotations

import shutil

from pipelines.core.errors import GauntletError
from pipelines.flows.retrain.run import Run
from pipelines.release.retention import expired_runs, expired_versions
from pipelines.release.verification import verified_entries
from pipelines.training.split import twin_lag


def remove_expired(run: Run) -> tuple[str, ...]:
    """Remove the expired versions of the run's lineage, and the files of its expired runs.

    The copies of a version on this machine are removed with it.

    Safe to repeat. The run is decided, so a registry or store that refuses is reported and does not
    end it. What can be removed is removed, and the next run tries the rest again.

    Returns:
        The numbers of the versions that were removed.
    """
    spec, request, collaborators = run.spec, run.request, run.collaborators
    reader, removed = collaborators.versions, list[str]()
    entries = verified_entries(spec.name, collaborators.ledger, request.lineage)
    try:
        for info in expired_versions(
            reader.registry.versions(spec.name),
            entries,
            spec.gates.refresh,
            request.as_of,
            twin_lag(spec),
        ):
            reader.registry.remove(info)
            shutil.rmtree(reader.folder / info.content, ignore_errors=True)
            removed.append(info.version)
    except GauntletError as problem:
        collaborators.progress(f"old versions were not removed: {problem.what}")
    try:
        collaborators.runs.remove(spec.name, expired_runs(entries, request.as_of))
    except GauntletError as problem:
        collaborators.progress(f"files of old runs were not removed: {problem.what}")
    if removed:
        collaborators.progress(f"removed versions that nothing needs: {', '.join(removed)}")
    return tuple(removed)
