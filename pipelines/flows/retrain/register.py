"""A candidate becomes a version: its directory with all its evidence, and a page to review it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from pipelines.core.findings import Finding
from pipelines.data.snapshot import Snapshot
from pipelines.flows.collaborators import Run
from pipelines.flows.features.catalogue import save_features
from pipelines.flows.retrain.audit import Audited
from pipelines.flows.retrain.availability import Available
from pipelines.flows.retrain.contract import envelope_of
from pipelines.flows.retrain.train import CANDIDATE, Trained, recent_rows
from pipelines.gates.audit.recipe_diff import recipe_changes
from pipelines.gates.recent_window.record import Evaluation
from pipelines.packaging.package import complete_package
from pipelines.packaging.version import (
    AUDIT,
    AVAILABILITY,
    ENVELOPE,
    EVALUATION,
    FEATURES,
    FINDINGS,
    PLOTS,
    SNAPSHOT,
    SPEC,
    SPLIT,
    SUITE,
    ModelVersion,
    evidence_path,
)
from pipelines.release.policy import Decision
from pipelines.release.registry import Registration, Shown, VersionInfo
from pipelines.reporting.version_page import VersionReview, version_page
from pipelines.training.split import SplitPlan

if TYPE_CHECKING:
    from pipelines.gates.audit.record import Audit

VERSION = "version"
LEVEL = 0.9  # of the intervals in plots: both sides of a one-sided 5 %
PAGE_PLOTS = (
    ("gain by day", "daily.png"),
    ("slices", "slices.png"),
    ("predicted and actual", "calibration.png"),
    ("gain by seed", "seeds.png"),
)


def register(
    run: Run,
    plan: SplitPlan,
    snapshot: Snapshot,
    trained: Trained,
    evaluation: Evaluation,
    findings: tuple[Finding, ...],
    audited: Audited | None = None,
    available: Available | None = None,
) -> VersionInfo:
    """Register the candidate with its evidence; a run that has done so gets its version back."""
    found = run.parts.registry.find(run.spec.name, run.id)
    if found is not None:
        return found
    run.parts.progress("registering the version")
    folder = run.workspace.path(VERSION)
    package = complete_package(
        trained.package,
        run.workspace.path(CANDIDATE),
        folder,
        facts={"model": run.spec.name, "run": run.id, "snapshot": snapshot.id},
        evidence=_evidence(run, plan, snapshot, trained, evaluation, findings, audited, available),
    )
    return run.parts.registry.register(
        Registration(
            model=run.spec.name,
            run=run.id,
            recipe=run.spec.recipe,
            spec=run.spec.digest,
            snapshot=snapshot.id,
            as_of=run.request.as_of,
            content=package.content,
            split=plan.as_json(),
            lineage=run.request.lineage,
            created_at=run.parts.clock.now(),
        ),
        folder,
        _shown(run, plan, trained, evaluation),
    )


def describe(
    run: Run,
    plan: SplitPlan,
    snapshot: Snapshot,
    version: VersionInfo,
    evaluation: Evaluation,
    *,
    findings: tuple[Finding, ...],
    decision: Decision,
    incumbent: ModelVersion | None,
    audited: Audited | None = None,
) -> None:
    """Put the review page and the outcome beside the version."""
    made = evidence_path(run.workspace.path(VERSION), PLOTS)
    changes = recipe_changes(incumbent.spec.as_json(), run.spec.as_json()) if incumbent else ()
    page = version_page(
        VersionReview(
            spec=run.spec,
            run=run.id,
            snapshot=snapshot.id,
            plan=plan,
            evaluation=evaluation,
            findings=findings,
            champion=run.champion.version if run.champion else None,
            version=version.version,
            lineage=run.request.lineage,
            changes=changes,
            plots=tuple((words, name) for words, name in PAGE_PLOTS if (made / name).exists()),
            decision=decision,
            audit=_audit(audited),
        )
    )
    run.parts.registry.describe(run.spec.name, version.version, page)
    run.parts.registry.tag(
        run.spec.name, version.version, "gauntlet.outcome", decision.outcome.value
    )


def _audit(audited: Audited | None) -> Audit | None:
    from pipelines.gates.audit.record import Audit

    if audited is None or audited.audit is None:
        return None
    return Audit.model_validate(audited.audit)


def _evidence(
    run: Run,
    plan: SplitPlan,
    snapshot: Snapshot,
    trained: Trained,
    evaluation: Evaluation,
    findings: tuple[Finding, ...],
    audited: Audited | None,
    available: Available | None,
) -> dict[str, bytes]:
    """What travels inside the version: declaration, both suites, data, findings, plots."""
    from pipelines.reporting.plots import evaluation_plots
    from pipelines.training.fit import label_numbers

    rows, candidates, _ = recent_rows(run, plan, trained, evaluation.window)
    known = rows["label"].notna()
    documents: Mapping[str, Any] = {
        SPEC: run.spec.as_json(),
        SUITE: dict(run.suite),
        ENVELOPE: envelope_of(run, snapshot, plan),
        SNAPSHOT: snapshot.as_json(),
        SPLIT: plan.as_json(),
        EVALUATION: evaluation.as_json(),
        FINDINGS: [finding.as_json() for finding in findings],
        FEATURES: save_features(run.spec, rows),
    }
    if audited is not None and audited.audit:
        documents = {**documents, AUDIT: audited.as_json()}
    if available is not None and available.findings:
        documents = {**documents, AVAILABILITY: available.as_json()}
    plots = evaluation_plots(
        evaluation,
        level=LEVEL,
        actual=label_numbers(rows["label"][known], trained.classes),
        predicted=candidates[0].predictions[known],
    )
    return {
        **{
            name: (json.dumps(value, indent=2, sort_keys=True) + "\n").encode()
            for name, value in documents.items()
        },
        **{f"{PLOTS}/{name}": content for name, content in plots.items()},
    }


def _shown(run: Run, plan: SplitPlan, trained: Trained, evaluation: Evaluation) -> Shown:
    metrics = {"training_rows": float(trained.rows), "recent_rows": float(evaluation.labelled)}
    for comparison in evaluation.comparisons:
        metrics[comparison.metric] = comparison.candidate
        metrics[f"{evaluation.rival}_{comparison.metric}"] = comparison.rival
        if comparison.difference is not None:
            metrics[f"{comparison.metric}_gain"] = comparison.difference.estimate
    return Shown(
        parameters={
            "estimator": run.spec.estimator.path,
            **{name: str(value) for name, value in run.spec.estimator.parameters.items()},
            "train": str(plan.train),
            "recent": str(evaluation.window),
        },
        metrics=metrics,
    )
