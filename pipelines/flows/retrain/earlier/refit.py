"""Reads earlier runs of a recipe: the version that is a twin, and what was found about others."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from pipelines.core.errors import IntegrityError, Unavailable
from pipelines.flows.retrain.run import Run
from pipelines.release.champion_periods import update_versions
from pipelines.release.ledger import Entry
from pipelines.release.lineages import verified_history

if TYPE_CHECKING:
    from pipelines.packaging.version import ModelVersion


def version_of_twin(run: Run) -> ModelVersion | None:
    """The version whose refit is the twin of this run's candidate; ``None`` if there is none.

    It has the same recipe and first seed, is in the lineage's history, and was refitted on the
    twin's training span. A version that cannot be read or verified is not used: the twin is fitted
    instead.
    """
    if run.plan.refit is None:
        return None
    try:
        return next(_versions_of_twin(run), None)
    except (IntegrityError, Unavailable) as problem:
        run.collaborators.progress(f"no earlier refit is used: {problem.what}")
        return None


def _versions_of_twin(run: Run) -> Iterator[ModelVersion]:
    versions, spec, plan = run.collaborators.versions, run.spec, run.plan
    history = _history(run)
    decided = {entry.candidate for entry in history} - update_versions(history)
    wanted = (spec.recipe, plan.trained_until)
    for info in versions.registry.versions(spec.name):
        if info.version in decided and (info.recipe, info.as_of) == wanted:
            found = versions.load(spec.name, info.version)
            if found.plan.refit == plan.train and found.spec.seeds[0] == spec.seeds[0]:
                yield found


def past_values(run: Run, name: str) -> tuple[float, ...]:
    """The values of a finding about earlier candidates of the recipe, one for each as-of.

    Arguments:
        run: the opened run.
        name: of the finding.
    """
    found = {
        entry.as_of: finding.value
        for entry in _history(run)
        if entry.recipe == run.spec.recipe and entry.as_of < run.request.as_of
        if entry.transition is None  # a promotion from a canary repeats the offline findings
        for finding in entry.findings
        if finding.name == name and finding.value is not None
    }
    return tuple(found.values())


def _history(run: Run) -> tuple[Entry, ...]:
    request = run.request
    return verified_history(request.model, run.collaborators.ledger, request.lineage)
