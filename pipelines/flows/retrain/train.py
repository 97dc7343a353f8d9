"""Trains a candidate with every seed, and predicts the recent window with each fit."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pydantic import Field

from pipelines.core.errors import IntegrityError
from pipelines.core.findings import Finding
from pipelines.core.records import Record
from pipelines.core.time import Window
from pipelines.flows.frames import FRAME, read_rows
from pipelines.flows.retrain.run import Run
from pipelines.packaging.package import Package, plan_package, write_package

if TYPE_CHECKING:
    import pandas as pd

    from pipelines.core.arrays import Floats
    from pipelines.training.score import Scored

CANDIDATE = "candidate"
PREDICTIONS = "predictions.parquet"
NAIVE = "naive"
EXAMPLE_ROWS = 5


class TrainedCandidate(Record):
    """A fitted candidate; its directory and predictions are saved in the workspace."""

    package: Package
    findings: tuple[Finding, ...] = Field(description="how the version is stored and served")
    rows: int = Field(description="labelled rows of the training span")
    recent_rows: int
    rows_digest: str = Field(description="of the recent window's rows that were scored")
    classes: tuple[str, ...]


def train_candidate(run: Run, *, trial: bool = False) -> TrainedCandidate:
    """Fit the candidate and score the recent window, written to ``train.json``.

    The first seed's fit is the candidate; the other seeds measure the variation due to chance.

    Arguments:
        run: the opened run; its frame has been written.
        trial: leave out writing the candidate's directory.

    Raises:
        DataError: there are too few rows to train or to evaluate.
        SpecError: the estimator or its parameters are wrong.
    """
    return run.workspace.once("train", TrainedCandidate, lambda: _train(run, trial))


def _train(run: Run, trial: bool) -> TrainedCandidate:
    import pandas as pd

    from pipelines.gates.availability.fast_predict import fast_predict_finding
    from pipelines.gates.availability.serialization import serialization_finding
    from pipelines.training.baseline import baseline_predictions
    from pipelines.training.columns import feature_matrix, text_features
    from pipelines.training.fit import fit
    from pipelines.training.score import score

    spec, frame = run.spec, run.workspace.path(FRAME)
    rows, recent = (read_rows(spec, frame, window) for window in (run.plan.train, run.plan.recent))
    fitted = []
    for number, seed in enumerate(spec.seeds, 1):
        run.collaborators.progress(
            f"fitting seed {number} of {len(spec.seeds)} on {len(rows):,} rows"
        )
        fitted.append(fit(spec, rows, seed))
    scored = [score(each.pipeline, spec, recent) for each in fitted]
    columns = {f"seed_{number}": _column(each.predictions) for number, each in enumerate(scored)}
    labelled = rows[rows["label"].notna()]
    columns[NAIVE] = _column(baseline_predictions(spec, labelled, recent))
    run.workspace.write(PREDICTIONS, lambda part: pd.DataFrame(columns).to_parquet(part))
    probabilities = spec.metric.name.task == "classification"
    if trial:
        package = plan_package(fitted[0].pipeline, probabilities=probabilities)
    else:
        package = write_package(
            run.workspace.path(CANDIDATE),
            fitted[0].pipeline,
            feature_matrix(spec, rows.head(EXAMPLE_ROWS)),
            probabilities=probabilities,
            created_at=run.request.as_of,
            facts={"model": spec.name, "request": run.identity.request_digest},
            evidence={},
        )
    return TrainedCandidate(
        package=package,
        findings=(
            serialization_finding(package.serialization),
            fast_predict_finding(
                fitted[0].pipeline, text_features(spec), feature_matrix(spec, recent)
            ),
        ),
        rows=fitted[0].rows,
        recent_rows=len(recent),
        rows_digest=scored[0].rows_digest,
        classes=spec.classes,
    )


def recent_rows(
    run: Run, trained: TrainedCandidate, window: Window
) -> tuple[pd.DataFrame, list[Scored], Scored]:
    """The rows of a part of the recent window, every seed's predictions, and the naive forecast."""
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
    digest = rows_digest(run.spec, rows)
    scored = {
        name: Scored(_predictions(table[name])[mask], digest, trained.classes)
        for name in table.columns
    }
    naive = scored.pop(NAIVE)
    return rows, list(scored.values()), naive


def _column(predictions: Floats) -> Floats | list[Floats]:
    """Predictions as a column of a table: probabilities of many classes are a list a row."""
    return predictions if predictions.ndim == 1 else list(predictions)


def _predictions(column: pd.Series) -> Floats:
    """The predictions of a column, as before ``_column``."""
    import numpy as np

    values = column.to_numpy()
    return np.stack(list(values)) if values.dtype == object and len(values) else values
