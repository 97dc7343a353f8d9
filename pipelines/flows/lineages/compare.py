"""Compares two lineages: their decisions from the ledger, their champions on the same points."""

from __future__ import annotations

from functools import partial

from pipelines.flows.lineages.champion_errors import with_errors
from pipelines.flows.retrain.run import RetrainCollaborators
from pipelines.flows.versions import VersionReader
from pipelines.gates.recent_window.record import Evaluation
from pipelines.packaging.version import EVALUATION, read_origin, read_record, read_spec
from pipelines.release.lineage_comparison.comparison import LineageComparison, compare_lineages
from pipelines.release.lineage_comparison.difference import CandidateFacts


def compare_with_errors(
    model: str, first: str, second: str, collaborators: RetrainCollaborators
) -> LineageComparison:
    """Compare two lineages week by week. Nothing is written.

    Raises:
        IntegrityError: the ledger cannot be followed, or a version is not what was registered.
        DataError: events are missing or contradict their declaration.
        Unavailable: ledger, registry or event store does not answer.
    """
    facts = partial(candidate_facts, model, versions=collaborators.versions)
    compared = compare_lineages(model, first, second, collaborators.ledger, facts)
    return with_errors(compared, collaborators)


def candidate_facts(
    model: str, version: str | None, versions: VersionReader
) -> CandidateFacts | None:
    """What a candidate says about its origin; ``None`` if there is none, or it was removed.

    Raises:
        IntegrityError: the version is not what was registered, or evidence is missing.
        Unavailable: ledger or registry does not answer.
    """
    if version is None or not versions.exists(model, version):
        return None
    folder = versions.download(model, version)
    return CandidateFacts(
        spec=read_spec(folder),
        evaluation=read_record(folder, EVALUATION, Evaluation),
        origin=read_origin(folder),
    )
