"""The model registry in MLflow: one MLflow run, logged model and version for each Gauntlet run.

Order of writing: the run, its parameters and metrics, the model's files, the model set READY, the
run finished, and only then the version with all its tags in one request. A process that is killed
before that leaves no version; run again, it finds its run and model by tag and continues there.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import quote

import mlflow
import requests
from botocore.exceptions import BotoCoreError
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
from mlflow.entities.model_registry import ModelVersion
from mlflow.exceptions import MlflowException
from sqlalchemy.exc import DatabaseError, OperationalError

from pipelines.core.errors import GauntletError, IntegrityError, Unavailable
from pipelines.release.ledger import LIVE
from pipelines.release.registry import Registration, Shown, VersionInfo
from pipelines.release.version_facts import (
    RUN,
    check_alias_lineage,
    check_content,
    check_same_run,
    download_verified,
    no_such_version,
    version_from_tags,
    version_tags,
)

_ABSENT = "RESOURCE_DOES_NOT_EXIST"
_THERE = "RESOURCE_ALREADY_EXISTS"
_AWAY = {"INTERNAL_ERROR", "TEMPORARILY_UNAVAILABLE", "REQUEST_LIMIT_EXCEEDED", "IO_ERROR"}
_DIGEST_LENGTH = 36  # the limit of MLflow for a data set; its tags have the whole id


class MlflowRegistry:
    """Versions in an MLflow server, or in a database file that this process opens directly.

    It also sets MLflow's process-wide addresses, because MLflow reads some of them from there.

    Arguments:
        uri: ``http://...`` of a server, or ``sqlite:///...``.
        artifacts: location of the files when there is no server: a folder or ``s3://...``; default
            is the folder ``mlartifacts`` next to the database file. A server chooses its own.
    """

    def __init__(self, uri: str, artifacts: str | None = None) -> None:
        self._uri = uri
        self._artifacts = artifacts or _artifact_folder(uri)
        with self._talking():
            self._client = mlflow.MlflowClient(tracking_uri=uri, registry_uri=uri)

    def find(self, model: str, run: str) -> VersionInfo | None:
        """The complete version that this run registered; None when there is none (yet)."""
        with self._talking():
            found = self._search(f"name = '{model}' and tags.`{RUN}` = '{run}'")
        return _info(found[0]) if found else None

    def register(
        self, registration: Registration, folder: Path, shown: Shown | None = None
    ) -> VersionInfo:
        """Upload a prepared directory as a new version, atomically."""
        check_content(registration, folder)
        found = self.find(registration.model, registration.run)
        if found is None:
            with self._talking():
                run = self._run(registration, shown or Shown())
                model = self._logged_model(registration, run, folder, shown or Shown())
                self._client.set_terminated(run, "FINISHED")
                self._create_version(registration, run, model)
            found = self.find(registration.model, registration.run)
            if found is None:
                raise Unavailable(
                    "MLflow does not show the version that it has just made",
                    where=f"{self._uri}, {registration.model}",
                    hint="run again: it is safe",
                )
        check_same_run(registration, found)
        with self._talking():
            self._link(found)
        return found

    def get(self, model: str, version: str) -> VersionInfo:
        """A version's facts."""
        with self._talking():
            return _info(self._version(model, version))

    def versions(self, model: str) -> tuple[VersionInfo, ...]:
        """Every complete version that Gauntlet registered, oldest first; one for each run."""
        with self._talking():
            found = self._search(f"name = '{model}'")
        infos = (_info(one) for one in found if RUN in one.tags)
        first: dict[str, VersionInfo] = {}
        for info in infos:
            first.setdefault(info.run, info)
        return tuple(first.values())

    def download(self, info: VersionInfo, into: Path) -> Path:
        """A verified copy of the version's directory inside ``into``."""

        def fetch(part: Path) -> None:
            part.mkdir()
            try:
                mlflow.artifacts.download_artifacts(
                    artifact_uri=f"models:/{info.model}/{info.version}",
                    dst_path=str(part),
                    tracking_uri=self._uri,
                )
            except MlflowException as cause:
                if _code(cause) in _AWAY and not _missing_files(cause):
                    raise
                raise _lost(info, cause) from cause
            except FileNotFoundError as cause:
                raise _lost(info, cause) from cause

        with self._talking():
            return download_verified(info, into, fetch)

    def describe(self, model: str, version: str, markdown: str) -> None:
        """Set the description of a version; links to its pictures lead to the model's files."""
        with self._talking():
            found = self._version(model, version)
            text = markdown.replace("](extra_files/", f"]({_files_of(found)}extra_files%2F")
            self._client.update_model_version(model, version, description=text)

    def described(self, model: str, version: str) -> str:
        """The description of a version; links to its pictures lead to this server."""
        with self._talking():
            return self._version(model, version).description or ""

    def alias(self, model: str, name: str) -> str | None:
        """The version that the alias points at; None when the model or the alias is missing."""
        with self._talking():
            try:
                found = self._client.get_registered_model(model)
            except MlflowException as cause:
                if _code(cause) != _ABSENT:
                    raise
                return None
            version = found.aliases.get(name)
            return None if version is None else str(version)

    def set_alias(self, model: str, name: str, version: str | None) -> None:
        """Point the alias at a version, or remove it (None)."""
        with self._talking():
            if version is None:
                if self.alias(model, name) is not None:
                    self._client.delete_registered_model_alias(model, name)
                return
            check_alias_lineage(model, name, version, self._version(model, version).tags)
            try:
                self._client.set_registered_model_alias(model, name, version)
            except MlflowException:
                # When two create the same alias at once, MLflow gives one a raw key error.
                self._client.set_registered_model_alias(model, name, version)

    def tags(self, model: str, version: str) -> Mapping[str, str]:
        """Tags of any version, including one registered by hand; empty when absent."""
        with self._talking():
            try:
                return dict(self._client.get_model_version(model, version).tags)
            except MlflowException as cause:
                if _code(cause) != _ABSENT:
                    raise
                return {}

    def tag(self, model: str, version: str, key: str, value: str) -> None:
        """Set a tag."""
        with self._talking():
            self._version(model, version)
            self._client.set_model_version_tag(model, version, key, value)

    def _run(self, registration: Registration, shown: Shown) -> str:
        """Find or create the MLflow run for a Gauntlet run, and log its parameters and metrics."""
        experiment = self._experiment(registration)
        tags = {**version_tags(registration), "mlflow.runName": registration.run}
        found = self._client.search_runs([experiment], f"tags.`{RUN}` = '{registration.run}'")
        at = int(registration.created_at.timestamp() * 1000)
        if found:
            run = str(found[0].info.run_id)
        else:
            run = str(self._client.create_run(experiment, start_time=at, tags=tags).info.run_id)
        self._client.log_batch(
            run,
            params=[Param(key, value) for key, value in shown.parameters.items()],
            metrics=[Metric(key, value, at, 0) for key, value in shown.metrics.items()],
        )
        self._client.log_inputs(run, [_data(registration)])
        return run

    def _experiment(self, registration: Registration) -> str:
        name = registration.model
        if registration.lineage != LIVE:
            name = f"{registration.model} ({registration.lineage})"
        found = self._client.get_experiment_by_name(name)
        if found is None:
            try:
                folder = self._artifacts and f"{self._artifacts}/{quote(name)}"
                return str(self._client.create_experiment(name, artifact_location=folder))
            except MlflowException as cause:
                if _code(cause) != _THERE:
                    raise
                found = self._client.get_experiment_by_name(name)
                if found is None:  # it was deleted in between
                    raise
        return str(found.experiment_id)

    def _logged_model(
        self, registration: Registration, run: str, folder: Path, shown: Shown
    ) -> LoggedModel:
        """The run's model with its files, set READY; completes what a killed process started."""
        experiment = self._client.get_run(run).info.experiment_id
        begun = self._client.search_logged_models([experiment], f"source_run_id = '{run}'")
        tags = version_tags(registration)
        mine = [m for m in begun if m.tags.get("gauntlet.content") == registration.content]
        model = next((m for m in mine if m.status != LoggedModelStatus.FAILED), None)
        if model is None:
            name = f"{registration.model}-{registration.as_of:%Y-%m-%d}"
            model = self._client.create_logged_model(
                experiment, name=name, source_run_id=run, tags=tags, params=shown.parameters
            )
        for other in begun:
            if other.model_id != model.model_id and other.status == LoggedModelStatus.PENDING:
                self._client.finalize_logged_model(other.model_id, LoggedModelStatus.FAILED)
        if model.status != LoggedModelStatus.READY:
            data, at = _data(registration).dataset, int(registration.created_at.timestamp() * 1000)
            known = self._client.get_run(run).outputs
            outputs = known.model_outputs if known else []
            if model.model_id not in {one.model_id for one in outputs}:  # once only
                self._client.log_outputs(run, [LoggedModelOutput(model.model_id, 0)])
            metrics = [
                Metric(key, value, at, 0, model.model_id, data.name, data.digest, run)
                for key, value in shown.metrics.items()
            ]
            self._client.log_batch(run, metrics=metrics)
            self._client.log_model_artifacts(model.model_id, str(folder))
            model = self._client.finalize_logged_model(model.model_id, LoggedModelStatus.READY)
        return model

    def _create_version(self, registration: Registration, run: str, model: LoggedModel) -> None:
        try:
            self._client.create_registered_model(registration.model)
        except MlflowException as cause:
            if _code(cause) != _THERE:
                raise
        self._client.create_model_version(
            registration.model,
            source=model.model_uri,
            run_id=run,
            tags=version_tags(registration),
            model_id=model.model_id,
            await_creation_for=0,  # it is READY immediately; waiting would only write to the log
        )

    def _link(self, info: VersionInfo) -> None:
        """Link the page of the logged model to its version."""
        source = self._version(info.model, info.version).source or ""
        model = source.removeprefix("models:/")
        link = json.dumps([{"name": info.model, "version": int(info.version)}])
        if self._client.get_logged_model(model).tags.get("mlflow.modelVersions") != link:
            self._client.set_logged_model_tags(model, {"mlflow.modelVersions": link})

    def _search(self, query: str) -> list[ModelVersion]:
        """Versions that are READY, oldest first."""
        found: list[ModelVersion] = []
        token: str | None = None
        while token is None or token:
            page = self._client.search_model_versions(query, max_results=200, page_token=token)
            found += page
            token = page.token or ""
        ready = (one for one in found if one.status == "READY")
        return sorted(ready, key=lambda one: int(one.version))

    def _version(self, model: str, version: str) -> ModelVersion:
        try:
            return self._client.get_model_version(model, version)
        except MlflowException as cause:
            if _code(cause) != _ABSENT:
                raise
            raise no_such_version(model, version) from cause

    @contextmanager
    def _talking(self) -> Iterator[None]:
        """Point MLflow at this address, and translate its errors."""
        mlflow.set_tracking_uri(self._uri)
        mlflow.set_registry_uri(self._uri)
        try:
            yield
        except MlflowException as cause:
            if _code(cause) in _AWAY:
                raise self._away(cause) from cause
            raise GauntletError(
                "MLflow refuses a request",
                where=self._uri,
                got=f"{_code(cause)}: {_first_line(cause)}",
                hint="look at the server's log; check that its version is 3.17",
            ) from cause
        except (
            requests.RequestException,
            BotoCoreError,
            OperationalError,
            ConnectionError,
        ) as cause:
            raise self._away(cause) from cause
        except DatabaseError as cause:
            raise IntegrityError(
                "MLflow's database cannot be read",
                where=self._uri,
                got=_first_line(cause),
                wanted="a database that MLflow made, as sqlite:///<file>, or http://<its server>",
                hint="mend GAUNTLET_MLFLOW_URI, or restore the database from its backup",
            ) from cause

    def _away(self, cause: Exception) -> Unavailable:
        return Unavailable(
            "MLflow does not answer",
            where=self._uri,
            got=_first_line(cause),
            wanted="an answer from the tracking server and its artifact store",
            hint="check that the server is up, then run again: it is safe to run again",
        )


def _data(registration: Registration) -> DatasetInput:
    source = json.dumps({"snapshot": registration.snapshot, "split": registration.split})
    digest = registration.snapshot[:_DIGEST_LENGTH]
    data = Dataset("snapshot", digest, "gauntlet_snapshot", source)
    tags = [InputTag("mlflow.data.context", "training"), InputTag("id", registration.snapshot)]
    return DatasetInput(data, tags)


def _info(found: ModelVersion) -> VersionInfo:
    return version_from_tags(found.name, str(found.version), found.tags)


def _files_of(found: ModelVersion) -> str:
    """URL prefix of the model's files, relative to the server."""
    model = str(found.source).removeprefix("models:/")
    return f"/ajax-api/2.0/mlflow/logged-models/{model}/artifacts/files?artifact_file_path="


def _artifact_folder(uri: str) -> str | None:
    if not uri.startswith("sqlite:///"):
        return None
    return str(Path(uri.removeprefix("sqlite:///")).resolve().parent / "mlartifacts")


def _code(error: MlflowException) -> str:
    return str(error.error_code)


def _first_line(error: Exception) -> str:
    return next(iter(str(error).strip().splitlines()), type(error).__name__)[:300]


def _missing_files(error: MlflowException) -> bool:
    return "No such artifact" in str(error) or "No such file" in str(error)


def _lost(info: VersionInfo, cause: Exception) -> IntegrityError:
    return IntegrityError(
        "the files of a version are gone",
        where=f"{info.model} version {info.version}",
        got=_first_line(cause),
        wanted=f"content {info.content}",
        hint="restore the artifact store, or roll back to another version",
    )
