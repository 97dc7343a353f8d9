"""Runs the audit, with every retraining whose recipe differs from the champion's."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from pydantic import Field

from pipelines.core.errors import DataError, SpecError
from pipelines.core.findings import Finding
from pipelines.core.records import Record
from pipelines.data.events import Progress
from pipelines.data.reader import EventReader
from pipelines.data.snapshot import Snapshot
from pipelines.flows.retrain.parity import candidate_preprocessing
from pipelines.flows.retrain.run import Run
from pipelines.gates.audit.findings import audit_impossible
from pipelines.gates.audit.inputs import build_audit_data
from pipelines.gates.audit.recipe_diff import recipe_changes
from pipelines.gates.audit.record import Audit
from pipelines.spec.model import RECIPE_PARTS, ModelSpec


class AuditResult(Record):
    """The audit of a changed recipe, and its findings."""

    audit: Audit | None = Field(description="none where the recipe did not change")
    findings: tuple[Finding, ...]


def audit_candidate(
    run: Run, snapshot: Snapshot, unequal: Mapping[str, float] | None
) -> AuditResult:
    """Check the candidate's preprocessing of served features; audit a changed recipe.

    The record is ``audit.json``.

    Arguments:
        run: the opened run; its candidate has been trained.
        snapshot: the run's snapshot.
        unequal: share of logged values that differ from recomputed ones, by feature; ``None``
            without a prediction log.

    Returns:
        The result. If a recipe cannot be fitted, evaluated, or used to predict the other's points,
        it contains a finding with the verdict ``no_data``.
    """
    return run.workspace.once("audit", AuditResult, lambda: _audit(run, snapshot, unequal))


def _audit(run: Run, snapshot: Snapshot, unequal: Mapping[str, float] | None) -> AuditResult:
    champion = run.champion
    if champion is None:
        return AuditResult(audit=None, findings=())
    findings = candidate_preprocessing(run, champion)
    if champion.spec.recipe == run.spec.recipe:
        return AuditResult(audit=None, findings=findings)
    pair = Pair(champion.spec, run.spec, f"version {champion.number}")
    try:
        audit = audit_pair(
            run.events,
            pair,
            run.common,
            snapshot,
            unequal=unequal,
            progress=run.collaborators.progress,
        )
    except (DataError, SpecError) as problem:
        return AuditResult(audit=None, findings=(*findings, audit_impossible(problem)))
    return AuditResult(audit=audit, findings=(*findings, *audit.findings))


@dataclass(frozen=True)
class Pair:
    """Two recipes to compare."""

    old: ModelSpec
    new: ModelSpec
    against: str


def audit_pair(
    events: EventReader,
    pair: Pair,
    spec: ModelSpec,
    snapshot: Snapshot,
    *,
    unequal: Mapping[str, float] | None,
    progress: Progress,
) -> Audit:
    """The audit of two recipes on one snapshot.

    Arguments:
        events: reads the streams.
        pair: the two recipes.
        spec: the combined declaration of both.
        snapshot: of the streams that ``spec`` declares.
        unequal: share of logged values that differ from recomputed ones, by feature; ``None``
            without a prediction log.
        progress: called with a short message now and then.

    Raises:
        SpecError: when the two recipes cannot be combined in one frame.
        DataError: when one of them cannot be fitted or judged.
    """
    from pipelines.gates.audit.audit import audit

    progress("gathering both recipes' rows")
    with events.tables(snapshot, spec.streams) as tables:
        data = build_audit_data(pair.old, pair.new, tables, snapshot.as_of)
    return audit(
        data,
        as_of=snapshot.as_of,
        against=pair.against,
        changes=_changes(pair),
        unequal=unequal,
        progress=progress,
    )


def _changes(pair: Pair) -> tuple[str, ...]:
    """The parts of the two recipes that differ and affect the model."""
    before, after = (
        {key: value for key, value in spec.as_json().items() if key in RECIPE_PARTS}
        for spec in (pair.old, pair.new)
    )
    return recipe_changes(before, after)
