"""Trains a candidate: a twin with every seed, which is judged, and the refit that serves."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import Field

from pipelines.core.errors import IntegrityError
from pipelines.core.findings import Finding
from pipelines.core.records import Record
from pipelines.core.time import Window
from pipelines.flows.frames import FRAME, read_rows, read_training_rows
from pipelines.flows.retrain.earlier.refit import past_values, version_of_twin
from pipelines.flows.retrain.rehearsal import rehearse_fitted
from pipelines.flows.retrain.run import Run
from pipelines.packaging.package import (
    Package,
    copy_model,
    measure_again,
    plan_package,
    write_package,
)
from pipelines.packaging.scoring import scoring_pipeline
from pipelines.packaging.version import TWIN, evidence_path
from pipelines.training.importance import Importance
from pipelines.training.search.result import SearchResult

if TYPE_CHECKING:
    import pandas as pd
    from sklearn.pipeline import Pipeline

    from pipelines.core.arrays import Floats
    from pipelines.packaging.version import ModelVersion
    from pipelines.spec.model import ModelSpec
    from pipelines.training.fit import Fitted
    from pipelines.training.score import Scored

CANDIDATE = "candidate"
PREDICTIONS = "predictions.parquet"
SEED, NAIVE, RIVAL = "seed_", "naive", "rival "  # columns of predictions, or their beginnings
EXAMPLE_ROWS = 5
TRAINING_ROWS = 50_000  # that the training error is measured on, evenly spaced


class TrainedCandidate(Record):
    """A fitted candidate; its directory and predictions are saved in the workspace."""

    package: Package
    findings: tuple[Finding, ...] = Field(description="how the version is stored and serves")
    rows: int = Field(description="labelled rows that the twin was fitted on")
    recent_rows: int
    rows_digest: str = Field(description="of the recent window's rows that were scored")
    classes: tuple[str, ...]
    refit_rows: int | None = Field(
        default=None, description="labelled rows that the refit was fitted on"
    )
    span_rows: int | None = Field(
        default=None,
        description="labelled rows of the twin's training span, if only a sample was fitted on",
    )
    refit_span_rows: int | None = Field(
        default=None, description="of the refit's training span, as `span_rows`"
    )
    twin: str | None = Field(
        default=None, description="version whose refit is the twin; none: the twin was fitted"
    )
    training: float | None = Field(
        default=None, description="metric of the twin on rows that it was trained on"
    )
    search: SearchResult | None = Field(
        default=None, description="of the twin's parameters, if it was fitted with a search"
    )
    refit_search: SearchResult | None = Field(default=None, description="of the refit's parameters")
    importance: Importance | None = Field(
        default=None, description="of each feature to the twin, on the recent window"
    )

    @property
    def searches(self) -> dict[str, SearchResult]:
        """The searches by the fit whose parameters they chose."""
        found = {"candidate": self.search, "refit": self.refit_search}
        return {name: one for name, one in found.items() if one is not None}


@dataclass(frozen=True)
class RecentPredictions:
    """The rows of a part of the recent window with the predictions that were made in training.

    Arguments:
        rows: the rows.
        candidates: predictions of each seed; the first is the twin.
        naive: the naive forecast.
        rivals: predictions of simple models, by name.
    """

    rows: pd.DataFrame
    candidates: Sequence[Scored]
    naive: Scored
    rivals: Mapping[str, Scored]


def train_candidate(run: Run, *, trial: bool = False) -> TrainedCandidate:
    """Fit the candidate and score the recent window, written to ``train.json``.

    The twin is the fit with the first seed; the other seeds measure the variation due to chance.
    The refit has the first seed as well. If an earlier version's refit is this twin, that refit
    is used, so that a run with one seed fits once.

    Arguments:
        run: the opened run; its frame has been written.
        trial: fit only what is judged, and answer requests with it instead of writing it.

    Raises:
        DataError: there are too few rows to train or to evaluate.
        SpecError: the estimator or its parameters are wrong.
        IntegrityError: in a trial, when a service could not answer with the candidate.
    """
    return run.workspace.once(
        "train", TrainedCandidate, lambda: _judged_by_earlier(run, fit_candidate(run, trial=trial))
    )


def fit_candidate(run: Run, *, trial: bool = False) -> TrainedCandidate:
    """As ``train_candidate``, without a bound from earlier runs; written to ``fitted.json``.

    It depends on no decision but that about the version that is the twin.
    """
    return run.workspace.once("fitted", TrainedCandidate, lambda: _fit(run, trial))


def _judged_by_earlier(run: Run, fitted: TrainedCandidate) -> TrainedCandidate:
    """The candidate, with its refit judged by those of earlier runs."""
    from pipelines.gates.recent_window.refit import ANSWERS, judged_by_past

    findings = (
        judged_by_past(one, past_values(run, ANSWERS)) if one.name == ANSWERS else one
        for one in fitted.findings
    )
    return fitted.model_copy(update={"findings": tuple(findings)})


def _fit(run: Run, trial: bool) -> TrainedCandidate:
    import pandas as pd

    from pipelines.gates.availability.fast_predict import fast_predict_finding
    from pipelines.gates.availability.serialization import serialization_finding
    from pipelines.gates.recent_window.refit import refit_findings
    from pipelines.gates.recent_window.training_sample import training_sample_finding
    from pipelines.training.baseline import baseline_predictions
    from pipelines.training.columns import feature_matrix, labelled_rows, text_features
    from pipelines.training.repeatable import check_repeatable
    from pipelines.training.score import score
    from pipelines.training.simple_rival import simple_predictions

    spec, plan, frame = run.spec, run.plan, run.workspace.path(FRAME)
    read, recent = read_training_rows(spec, frame, plan.train), read_rows(spec, frame, plan.recent)
    rows, labelled, of_twin = read.rows, labelled_rows(read.rows), len(read.points)
    sample = check_repeatable(spec, labelled)
    if sample is not None:
        plan_package(sample, probabilities=_probabilities(run))  # refused before the long fits
    earlier = None if trial else version_of_twin(run)
    twins, search = fit_twins(run, rows, earlier)
    scored = [score(twin, spec, recent) for twin in twins]
    columns = {
        f"{SEED}{number}": prediction_column(each.predictions) for number, each in enumerate(scored)
    }
    columns[NAIVE] = prediction_column(baseline_predictions(spec, read.points, recent))
    if not trial:
        rivals = simple_predictions(spec, labelled, recent)
        columns |= {
            f"{RIVAL}{name}": prediction_column(one.predictions) for name, one in rivals.items()
        }
    run.workspace.write(PREDICTIONS, lambda part: pd.DataFrame(columns).to_parquet(part))
    example = feature_matrix(spec, rows.head(EXAMPLE_ROWS))
    training = None if trial else _training_value(spec, twins[0], labelled)
    fits = {"twin": (len(labelled), of_twin)}
    del rows, labelled, read  # the refit reads rows of its own, and large ones do not fit twice
    serving, refit = twins[0], None
    checks: tuple[Finding, ...] = ()
    if plan.refit is not None and not trial:
        refit, of_refit = _refit(run, plan.refit)
        fits["refit"] = refit.rows, of_refit
        serving = refit.pipeline
        refitted = score(serving, spec, recent)
        checks = refit_findings(spec, recent, scored[0], refitted, past=())
    if trial:
        rehearse_fitted(run, serving, recent)
        package = plan_package(serving, probabilities=_probabilities(run))
    else:
        package = write_candidate(run, serving, twins[0], earlier, example)
    sampled = training_sample_finding(fits)
    spans = {name: every if some < every else None for name, (some, every) in fits.items()}
    return TrainedCandidate(
        package=package,
        findings=(
            serialization_finding(package.serialization),
            fast_predict_finding(serving, text_features(spec), feature_matrix(spec, recent)),
            *checks,
            *([] if sampled is None else [sampled]),
        ),
        rows=fits["twin"][0],
        recent_rows=len(recent),
        rows_digest=scored[0].rows_digest,
        classes=spec.classes,
        refit_rows=refit.rows if refit else None,
        span_rows=spans["twin"],
        refit_span_rows=spans.get("refit"),
        search=search,
        refit_search=refit.search if refit else None,
        twin=earlier.number if earlier else None,
        training=training,
        importance=None if trial else _importance(run, twins[0], recent),
    )


def _training_value(spec: ModelSpec, twin: Pipeline, labelled: pd.DataFrame) -> float | None:
    """The twin's metric on its own training rows, or on enough of them."""
    from pipelines.gates.recent_window.complexity import training_value
    from pipelines.training.sample import spread_rows
    from pipelines.training.score import score

    rows = spread_rows(spec, labelled, TRAINING_ROWS)
    return training_value(spec, rows, score(twin, spec, rows))


def _importance(run: Run, twin: Pipeline, recent: pd.DataFrame) -> Importance | None:
    """The importance of each feature; ``None`` where the metric does not exist."""
    from pipelines.stats.undefined import Undefined
    from pipelines.training.permutation import measure_importance

    known = recent[recent["label"].notna()]
    if not len(known):
        return None
    run.collaborators.progress("measuring the importance of features")
    try:
        return measure_importance(run.spec, twin, known)
    except Undefined:
        return None


def fit_twins(
    run: Run, rows: pd.DataFrame, earlier: ModelVersion | None
) -> tuple[list[Pipeline], SearchResult | None]:
    """A pipeline for each seed; the first is an earlier version's refit if there is one.

    With it the search of the first seed, if it was fitted with one. A seed that gives the same
    estimator as the first one is not fitted again.
    """
    from pipelines.training.estimator import distinct_seeds
    from pipelines.training.fit import fit

    spec, search = run.spec, None
    distinct = distinct_seeds(spec)
    twins: list[Pipeline] = []
    for number, seed in enumerate(spec.seeds, 1):
        if earlier is not None and number == 1:
            run.collaborators.progress(f"the twin is the refit of version {earlier.number}")
            twins.append(scoring_pipeline(earlier.folder))
            continue
        if seed not in distinct:
            twins.append(twins[0])
            continue
        run.collaborators.progress(
            f"fitting seed {number} of {len(spec.seeds)} on {len(rows):,} rows"
        )
        fitted = fit(spec, rows, seed)
        twins.append(fitted.pipeline)
        search = fitted.search if number == 1 else search
    return twins, search


def _refit(run: Run, window: Window) -> tuple[Fitted, int]:
    """The first seed's fit on everything that has matured, and how many rows have a label."""
    from pipelines.training.fit import fit

    read = read_training_rows(run.spec, run.workspace.path(FRAME), window)
    run.collaborators.progress(f"fitting the refit on {len(read.rows):,} rows")
    return fit(run.spec, read.rows, run.spec.seeds[0]), len(read.points)


def write_candidate(
    run: Run,
    serving: Pipeline,
    twin: Pipeline,
    earlier: ModelVersion | None,
    example: pd.DataFrame,
) -> Package:
    """Write the candidate's directory, with the twin inside it if another model serves.

    Arguments:
        run: the opened run.
        serving: the fitted pipeline that serves.
        twin: the one that is judged.
        earlier: the version whose refit is the twin; ``None``: it was fitted.
        example: rows of the feature matrix.
    """

    def write(folder: Path, pipeline: Pipeline) -> Package:
        return write_package(
            folder,
            pipeline,
            example,
            probabilities=_probabilities(run),
            created_at=run.request.as_of,
            facts={"model": run.spec.name, "request": run.identity.request_digest},
            evidence={},
        )

    folder = run.workspace.path(CANDIDATE)
    package = write(folder, serving)
    if serving is not twin:
        if earlier is None:
            write(evidence_path(folder, TWIN), twin)
        else:
            copy_model(earlier.folder, evidence_path(folder, TWIN))
        package = measure_again(package, folder)
    run.workspace.add_folder(CANDIDATE)
    return package


def _probabilities(run: Run) -> bool:
    return run.spec.metric.name.task == "classification"


def recent_rows(run: Run, trained: TrainedCandidate, window: Window) -> RecentPredictions:
    """The rows of a part of the recent window, with everything that was predicted for them."""
    import pandas as pd

    from pipelines.training.score import Scored, rows_digest
    from pipelines.training.split import inside

    recent = read_rows(run.spec, run.workspace.path(FRAME), run.plan.recent)
    table = pd.read_parquet(run.workspace.path(PREDICTIONS))
    whole = rows_digest(run.spec, recent)
    if whole != trained.rows_digest or len(table) != len(recent):
        raise IntegrityError(
            "the candidate's predictions belong to other rows than the run's frame",
            where=str(run.workspace.folder),
            got=whole,
            wanted=trained.rows_digest,
            hint="remove that folder and run again",
        )
    mask = inside(recent, window)
    rows = recent[mask].reset_index(drop=True)
    digest = whole if mask.all() else rows_digest(run.spec, rows)

    def scored(prefix: str) -> dict[str, Scored]:
        return {
            name.removeprefix(prefix): Scored(
                _predictions(table[name])[mask], digest, trained.classes
            )
            for name in table.columns
            if name.startswith(prefix)
        }

    (naive,) = scored(NAIVE).values()
    return RecentPredictions(rows, tuple(scored(SEED).values()), naive, scored(RIVAL))


def prediction_column(predictions: Floats) -> Floats | list[Floats]:
    """Predictions as a column of a table: probabilities of many classes are a list a row."""
    return predictions if predictions.ndim == 1 else list(predictions)


def _predictions(column: pd.Series) -> Floats:
    """The predictions of a column, as before ``_column``."""
    import numpy as np

    values = column.to_numpy()
    return np.stack(list(values)) if values.dtype == object and len(values) else values
