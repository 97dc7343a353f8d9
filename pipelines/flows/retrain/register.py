"""Registers a candidate as a version: its directory with all its evidence."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from pipelines.core.records import Record
from pipelines.flows.features.catalogue import save_features
from pipelines.flows.frames import FRAME, read_training_rows
from pipelines.flows.retrain.contract import envelope_of
from pipelines.flows.retrain.evidence import Evidence
from pipelines.flows.retrain.pages.plots import plots_of
from pipelines.flows.retrain.rehearsal import rehearse
from pipelines.flows.retrain.run import Run
from pipelines.flows.retrain.train import (
    CANDIDATE,
    RecentPredictions,
    TrainedCandidate,
    recent_rows,
)
from pipelines.gates.recent_window.record import Evaluation
from pipelines.packaging.origin import present_origin
from pipelines.packaging.package import Package, complete_package
from pipelines.packaging.version import (
    AUDIT,
    AVAILABILITY,
    ENVELOPE,
    EVALUATION,
    FEATURES,
    FINDINGS,
    IMPORTANCE,
    ORIGIN,
    PLOTS,
    PROFILE,
    RECORD,
    SNAPSHOT,
    SPEC,
    SPLIT,
    SUITE,
    UPDATE,
    SavedFindings,
    SavedSuite,
    evidence_path,
    profile_bytes,
    record_bytes,
)
from pipelines.release.registry import Registration, Shown, VersionInfo
from pipelines.release.version_facts import OUTCOME, UNDECIDED, UPDATE_OF
from pipelines.reporting.retraining.run_page import gain_tag

if TYPE_CHECKING:
    import pandas as pd

    from pipelines.drift.version_profile import VersionProfile
    from pipelines.training.score import Scored

VERSION = "version"
AGE_PLOT = "age"


def register(run: Run, evidence: Evidence) -> VersionInfo | None:
    """Register the candidate with its evidence, or return the version that the run registered.

    Returns:
        The version; ``None`` without an evaluated candidate, and in a dry run.

    Raises:
        IntegrityError: the candidate's directory has changed since it was written, a service
            could not answer with it, or the run's version in the registry has other content.
        Unavailable: the registry does not answer; it is safe to retry.
    """
    trained, evaluation = evidence.trained, evidence.evaluation
    if trained is None or evaluation is None or run.request.dry_run:
        return None
    registry, model = run.collaborators.versions.registry, run.spec.name
    if run.identity.decided is not None:
        return registry.find(model, run.id)  # None: there was none, or nothing needs it any more
    run.collaborators.progress("registering the version")
    folder = run.workspace.path(VERSION)

    def complete() -> Package:
        recent = recent_rows(run, trained, evaluation.window)
        made = complete_package(
            trained.package,
            run.workspace.path(CANDIDATE),
            folder,
            facts={"model": model, "run": run.id, "snapshot": evidence.snapshot.id},
            evidence=_files(run, evidence, trained, evaluation, recent),
        )
        rehearse(run, folder, made.content, recent.rows)
        run.workspace.add_folder(VERSION)
        return made

    package = run.workspace.once(VERSION, Package, complete)
    return registry.register(
        Registration(
            model=model,
            run=run.id,
            recipe=run.spec.recipe,
            spec=run.spec.digest,
            snapshot=evidence.snapshot.id,
            as_of=run.request.as_of,
            content=package.content,
            split=run.plan.as_json(),
            lineage=run.request.lineage,
            created_at=run.collaborators.clock.now(),
            tags=_tags(evidence, evaluation),
        ),
        folder,
        _shown(run, trained, evaluation),
    )


def _tags(evidence: Evidence, evaluation: Evaluation) -> dict[str, str]:
    """Short tags, in the order in which a list of versions shows them."""
    if evidence.update is not None:
        return {OUTCOME: UNDECIDED, UPDATE_OF: f"version {evidence.update.saved.parent}"}
    return {OUTCOME: UNDECIDED, **gain_tag(evaluation)}


def _files(
    run: Run,
    evidence: Evidence,
    trained: TrainedCandidate,
    evaluation: Evaluation,
    recent: RecentPredictions,
) -> dict[str, bytes]:
    """The files of evidence inside the version: declaration, suites, data, findings, plots."""
    rows, twin = recent.rows, recent.candidates[0]
    documents: dict[str, Record] = {
        SPEC: run.spec,
        SUITE: SavedSuite(suite=dict(run.suite)),
        ENVELOPE: SavedSuite(suite=dict(_envelope(run, evidence))),
        SNAPSHOT: evidence.snapshot,
        SPLIT: run.plan,
        EVALUATION: evaluation,
        FINDINGS: SavedFindings(findings=evidence.findings),
        FEATURES: save_features(run.spec, rows),
        ORIGIN: present_origin(),
    }
    if evidence.audit is not None and evidence.audit.audit is not None:
        documents[AUDIT] = evidence.audit
    if trained.importance is not None:
        documents[IMPORTANCE] = trained.importance
    if evidence.update is not None:
        documents[UPDATE] = evidence.update.saved
    if evidence.record is not None:
        documents[RECORD] = evidence.record.record
    if evidence.availability is not None and evidence.availability.findings:
        documents[AVAILABILITY] = evidence.availability
    made = plots_of(evaluation, recent, trained.classes)
    plots = {name: plot.svg_file() for name, plot in made.items()} | _age_plot(run, evidence)
    return {
        **_files_of_anchor(run, evidence),
        **{name: record_bytes(name, record) for name, record in documents.items()},
        **({} if evidence.update else {PROFILE: profile_bytes(_profile(run, rows, twin))}),
        **{f"{PLOTS}/{name}.svg": content for name, content in plots.items()},
    }


def _envelope(run: Run, evidence: Evidence) -> Mapping[str, Any]:
    """The envelope of the training data; of an update its anchor's."""
    if evidence.update is not None and run.champion is not None:
        return run.champion.envelope
    return envelope_of(run, evidence.snapshot)


def _files_of_anchor(run: Run, evidence: Evidence) -> dict[str, bytes]:
    """What an update takes over: the profile of the training data, and what features matter."""
    if evidence.update is None or run.champion is None:
        return {}
    paths = {name: evidence_path(run.champion.folder, name) for name in (PROFILE, IMPORTANCE)}
    return {name: path.read_bytes() for name, path in paths.items() if path.is_file()}


def _profile(run: Run, recent: pd.DataFrame, scored: Scored) -> VersionProfile:
    """Profile what the serving model was trained on, and how the judged twin answered.

    The twin was not trained on the recent window. Answers to a model's own training rows would be
    spread wider than its answers to fresh rows. The weeks before have answers of earlier fits of
    the recipe.

    Arguments:
        run: the opened run; its frame has been written.
        recent: rows of the recent window.
        scored: the twin's predictions for them.
    """
    from pipelines.drift.bins import NumberBins
    from pipelines.drift.multivariate import fit_space, joint_profile
    from pipelines.drift.predictions import continued_predictions
    from pipelines.drift.profile import reference_profile
    from pipelines.drift.training_range import weeks_inside
    from pipelines.drift.version_profile import LABEL, PREDICTION, VersionProfile
    from pipelines.flows.retrain.earlier.predictions import earlier_predictions
    from pipelines.training.columns import categorical_features

    spec, plan = run.spec, run.plan
    frame = run.workspace.path(FRAME)
    rows = read_training_rows(spec, frame, plan.refit or plan.train).rows
    categorical = {*categorical_features(spec), *([LABEL] if spec.classes else [])}
    # The calendar is no data: the next day of the year is new, and nothing has drifted.
    inputs = spec.measured_inputs
    space = fit_space(
        rows,
        [name for name in inputs if name not in categorical],
        autoencoder="autoencoder" in spec.monitor.drift.reconstruction,
    )
    answered = recent[["decision_time"]].assign(**{PREDICTION: scored.answers})
    earlier = earlier_predictions(run)
    training = reference_profile(rows, (*inputs, LABEL), categorical)
    joint = None if space is None else joint_profile(space, rows)
    numbers = [name for name in inputs if isinstance(training.columns[name].bins, NumberBins)]
    return VersionProfile(
        training=training,
        predictions=reference_profile(answered, [PREDICTION])
        if earlier is None
        else continued_predictions(earlier, answered),
        space=space,
        joint=joint,
        inside=weeks_inside(rows, numbers, space, joint),
    )


def _age_plot(run: Run, evidence: Evidence) -> dict[str, bytes]:
    """The plot of what age costs a refresh; nothing while its record is too short."""
    from pipelines.gates.refresh.age_costs import costs_by_age
    from pipelines.reporting.refresh_plot import refresh_plot

    found, gate = evidence.record, run.spec.gates.refresh
    if found is None or found.state is None:
        return {}
    costs = costs_by_age(found.record, gate.span)
    plot = refresh_plot(gate, run.spec.metric.name.value, found.state, costs)
    return {} if plot is None else {AGE_PLOT: plot}


def _shown(run: Run, trained: TrainedCandidate, evaluation: Evaluation) -> Shown:
    """Parameters and metrics for the registry's own pages."""
    metrics = {"training_rows": float(trained.rows), "recent_rows": float(evaluation.labelled)}
    if trained.refit_rows is not None:
        metrics["refit_training_rows"] = float(trained.refit_rows)
    for comparison in evaluation.comparisons:
        metrics[comparison.metric] = comparison.candidate
        metrics[f"{evaluation.baseline}_{comparison.metric}"] = comparison.baseline
        if comparison.difference is not None:
            metrics[f"{comparison.metric}_gain"] = comparison.difference.estimate
    complexity = evaluation.complexity
    if complexity is not None and complexity.gap is not None:
        metrics["training_gap"] = complexity.gap
    if complexity is not None and complexity.best_rival is not None:
        metrics["simple_rival_gain"] = complexity.best_rival.comparison.gain
    return Shown(
        parameters=shown_parameters(run),
        metrics=metrics,
        started=run.workspace.started,
    )


def shown_parameters(run: Run) -> dict[str, str]:
    """The estimator with its parameters, and the windows."""
    return {
        "estimator": run.spec.estimator.source,
        **{name: str(value) for name, value in run.spec.estimator.parameters.items()},
        "train": str(run.plan.train),
        "refit": str(run.plan.refit or "none"),
        "recent": str(run.plan.recent),
    }
