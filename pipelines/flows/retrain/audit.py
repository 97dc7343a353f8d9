"""Runs the audit, beside every retraining whose recipe differs from the champion's."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pipelines.core.errors import DataError, SpecError
from pipelines.core.findings import Finding
from pipelines.core.records import Record
from pipelines.data.snapshot import Snapshot
from pipelines.flows.collaborators import Parts, Run
from pipelines.flows.retrain.parity import candidate_preprocessing
from pipelines.gates.audit.findings import audit_impossible
from pipelines.gates.audit.inputs import build_audit_data
from pipelines.gates.audit.recipe_diff import recipe_changes
from pipelines.packaging.version import ModelVersion
from pipelines.spec.model import ModelSpec
from pipelines.training.split import SplitPlan

if TYPE_CHECKING:
    from pipelines.gates.audit.record import Audit


class Audited(Record):
    """What a retraining keeps of its audit: JSON of the record, none where nothing was done."""

    audit: dict[str, Any] | None
    findings: tuple[Finding, ...]


def audit_run(
    run: Run,
    plan: SplitPlan,
    spec: ModelSpec,
    snapshot: Snapshot,
    incumbent: ModelVersion | None,
    unequal: Mapping[str, float] | None = None,
) -> Audited:
    """The candidate's preprocessing of what was served, and the audit of a changed recipe.

    Arguments:
        spec: the common declaration that the run's snapshot and frame follow.
        unequal: share of logged values that differ from recomputed ones, by feature; ``None``
            without a prediction log.

    Returns:
        What was found. Where a recipe cannot be fitted, judged or asked about the other's points,
        a finding without data says so.
    """
    if incumbent is None:
        return Audited(audit=None, findings=())
    findings = candidate_preprocessing(run, plan, incumbent)
    if incumbent.spec.recipe == run.spec.recipe:
        return Audited(audit=None, findings=findings)
    try:
        found = audit_pair(
            run.parts,
            Pair(incumbent.spec, run.spec, f"version {incumbent.number}"),
            spec,
            snapshot,
            unequal=unequal,
        )
    except (DataError, SpecError) as problem:
        return Audited(audit=None, findings=(*findings, audit_impossible(problem)))
    return Audited(audit=found.as_json(), findings=(*findings, *found.findings))


@dataclass(frozen=True)
class Pair:
    """Two recipes to hold against each other."""

    old: ModelSpec
    new: ModelSpec
    against: str


def audit_pair(
    parts: Parts,
    pair: Pair,
    spec: ModelSpec,
    snapshot: Snapshot,
    *,
    unequal: Mapping[str, float] | None,
) -> Audit:
    """The audit of two recipes on one snapshot.

    Arguments:
        spec: the common declaration that the snapshot follows.
        unequal: share of logged values that differ from recomputed ones, by feature; ``None``
            without a prediction log.

    Raises:
        SpecError: when the two recipes cannot stand in one frame.
        DataError: when one of them cannot be fitted or judged.
    """
    from pipelines.gates.audit.audit import audit

    parts.progress("gathering both recipes' rows")
    with parts.open_events(spec).tables(snapshot, spec.streams) as tables:
        data = build_audit_data(pair.old, pair.new, tables, snapshot.as_of)
    return audit(
        data,
        as_of=snapshot.as_of,
        against=pair.against,
        changes=_changes(pair),
        unequal=unequal,
        progress=parts.progress,
    )


def _changes(pair: Pair) -> tuple[str, ...]:
    """What shapes the model and differs."""
    shaping = {"points", "label", "features", "split", "estimator", "streams"}
    before, after = (
        {key: value for key, value in spec.as_json().items() if key in shaping}
        for spec in (pair.old, pair.new)
    )
    return recipe_changes(before, after)
