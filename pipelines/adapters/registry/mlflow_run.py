"""A training run in MLflow: its parameters and metrics, and the model with its files.

Everything is found again by its tags, so a process that was killed is continued by the next one.
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import TYPE_CHECKING

from mlflow.entities import (
    Dataset,
    DatasetInput,
    InputTag,
    LoggedModel,
    LoggedModelOutput,
    LoggedModelStatus,
    Metric,
    Param,
)
from mlflow.models import Model

from pipelines.adapters.registry.mlflow_client import create, transferring_files, write
from pipelines.core.addresses import run_file_link
from pipelines.core.errors import Unavailable
from pipelines.core.markup import url_part
from pipelines.core.run_page import RETRAINING, RUN_FILES
from pipelines.release.ledger import LIVE
from pipelines.release.registry import Registration, Shown
from pipelines.release.version_facts import AS_OF, LINEAGE, UNDECIDED, version_tags

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import Run

CONTENT = "gauntlet.content"
# The tag that makes MLflow open an experiment in its view for machine learning.
_KIND = {"mlflow.experimentKind": "custom_model_development"}
_RUN_FILE = re.compile(rf"\]\({RUN_FILES}([^)]+)\)")
_DIGEST_LENGTH = 36  # the limit of MLflow for a data set; its tags have the whole id


def log_run(
    client: MlflowClient,
    registration: Registration,
    shown: Shown,
    data: DatasetInput,
    artifacts: str | None,
) -> str:
    """Find or create the MLflow run of a Gauntlet run, and log its parameters and metrics.

    Arguments:
        client: of the server or database.
        registration: the facts of the version.
        shown: what its page shows.
        data: that the version was trained on.
        artifacts: location of a new experiment's files; None: the server chooses.

    Returns:
        The id of the MLflow run.
    """
    experiment = experiment_for(client, registration.model, registration.lineage, artifacts)
    found = client.search_runs([experiment], f"tags.`{RETRAINING}` = '{registration.run}'")
    at = int(registration.created_at.timestamp() * 1000)
    if found:
        run = str(found[0].info.run_id)
    else:
        name = f"{registration.as_of:%Y-%m-%d} {UNDECIDED}"
        tags = {**version_tags(registration), RETRAINING: registration.run, "mlflow.runName": name}
        begun = None if shown.started is None else int(shown.started.timestamp() * 1000)
        run = str(client.create_run(experiment, start_time=begun, tags=tags).info.run_id)
    write(
        client.log_batch,
        run,
        params=[Param(key, value) for key, value in shown.parameters.items()],
        metrics=[Metric(key, value, at, 0) for key, value in shown.metrics.items()],
    )
    write(client.log_inputs, run, [data])
    return run


def log_model(
    client: MlflowClient,
    registration: Registration,
    shown: Shown,
    data: DatasetInput,
    run: str,
    folder: Path,
) -> LoggedModel:
    """The run's model with its files, set READY; completes what a killed process started.

    Arguments:
        client: of the server or database.
        registration: the facts of the version.
        shown: what its page shows.
        data: that the version was trained on.
        run: id of the MLflow run.
        folder: with the version's files.
    """
    found = client.get_run(run)
    experiment = found.info.experiment_id
    begun = client.search_logged_models([experiment], f"source_run_id = '{run}'")
    mine = [m for m in begun if m.tags.get(CONTENT) == registration.content]
    model = next((m for m in mine if m.status != LoggedModelStatus.FAILED), None)
    if model is None:
        name = f"{registration.model}-{registration.as_of:%Y-%m-%d}"
        tags = {
            AS_OF: f"{registration.as_of:%Y-%m-%d}",
            LINEAGE: registration.lineage,
            CONTENT: registration.content,
        }
        model = client.create_logged_model(
            experiment, name=name, source_run_id=run, tags=tags, params=shown.parameters
        )
    for other in begun:
        if other.model_id != model.model_id and other.status == LoggedModelStatus.PENDING:
            client.finalize_logged_model(other.model_id, LoggedModelStatus.FAILED)
    if model.status != LoggedModelStatus.READY:
        outputs = found.outputs.model_outputs if found.outputs else []
        if model.model_id not in {one.model_id for one in outputs}:  # once only
            write(client.log_outputs, run, [LoggedModelOutput(model.model_id, 0)])
        dataset, at = data.dataset, int(registration.created_at.timestamp() * 1000)
        metrics = [
            Metric(key, value, at, 0, model.model_id, dataset.name, dataset.digest, run)
            for key, value in shown.metrics.items()
        ]
        write(client.log_batch, run, metrics=metrics)
        with transferring_files():
            client.log_model_artifacts(model.model_id, str(folder))
        model = client.finalize_logged_model(model.model_id, LoggedModelStatus.READY)
    return model


def with_run_links(markdown: str, run: Run) -> str:
    """A page whose links to files of its run lead to them, on the same server."""
    experiment, id_ = run.info.experiment_id, run.info.run_id
    return _RUN_FILE.sub(lambda found: f"]({run_file_link(experiment, id_, found[1])})", markdown)


def experiment_for(client: MlflowClient, model: str, lineage: str, artifacts: str | None) -> str:
    """Find or create the experiment of a model's lineage; its id.

    Arguments:
        client: of the server or database.
        model: the model's name.
        lineage: of the ledger.
        artifacts: location of its files, if it is new; None: the server chooses.
    """
    name = model if lineage == LIVE else f"{model} ({lineage})"
    found = client.get_experiment_by_name(name)
    if found is not None:
        return str(found.experiment_id)
    folder = artifacts and f"{artifacts}/{url_part(name)}"
    made = create(client.create_experiment, name, artifact_location=folder, tags=_KIND)
    if made is not None:
        return str(made)
    found = client.get_experiment_by_name(name)
    if found is None:
        raise Unavailable(
            "another process deleted an experiment in MLflow at this moment",
            where=name,
            hint="run again: it is safe",
        )
    return str(found.experiment_id)


def training_data(registration: Registration, folder: Path, shown: Shown) -> DatasetInput:
    """The training data: its snapshot and windows, the model's input columns, and its rows."""
    source = json.dumps({"snapshot": registration.snapshot, "split": registration.split})
    signature = Model.load(str(folder)).signature
    columns = signature.inputs.to_dict() if signature and signature.inputs else []
    rows = {key: value for key, value in shown.metrics.items() if key.endswith("_rows")}
    data = Dataset(
        f"{registration.model}-{registration.as_of:%Y-%m-%d}",
        registration.snapshot[:_DIGEST_LENGTH],
        "gauntlet_snapshot",
        source,
        schema=json.dumps({"mlflow_colspec": columns}),
        profile=json.dumps(rows),
    )
    tags = [InputTag("mlflow.data.context", "training"), InputTag("id", registration.snapshot)]
    return DatasetInput(data, tags)
