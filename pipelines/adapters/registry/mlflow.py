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
from typing import TYPE_CHECKING

from pipelines.core.addresses import sqlite_path
from pipelines.core.errors import IntegrityError, Unavailable
from pipelines.core.run_page import RUN_FILES
from pipelines.core.version_id import (
    RegisteredVersion,
    registered_models,
    registered_version,
    version_id,
)
from pipelines.release.registry import LONGEST_DESCRIPTION, Registration, Shown, VersionInfo
from pipelines.release.version_facts import (
    check_alias_lineage,
    check_content,
    check_no_alias,
    check_same_run,
    download_verified,
    has_facts,
    no_such_version,
    registered_model_of,
    version_from_tags,
    version_tags,
    with_link,
)
from pipelines.reporting.markdown import shortened

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities.model_registry import ModelVersion

ABOVE = "mlflow.parentRunId"  # tag with the run that MLflow shows a run below
_BACKFILLS = "Versions that backfills of `{}` trained. None of them can serve."


class MlflowRegistry:
    """Versions in an MLflow server, or in a database file that this process opens directly.

    It connects, and loads MLflow, on first use.

    Arguments:
        uri: ``http://...`` of a server, or ``sqlite:///...``.
        artifacts: location of the files when there is no server: a folder or ``s3://...``; default
            is the folder ``mlartifacts`` next to the database file. A server chooses its own.
    """

    def __init__(self, uri: str, artifacts: str | None = None) -> None:
        self._uri = uri
        self._artifacts = artifacts or artifact_folder(uri)

    def find(self, model: str, run: str) -> VersionInfo | None:
        """The complete version that this run registered; None when there is none (yet)."""
        return next((info for info in self.versions(model) if info.run == run), None)

    def register(
        self, registration: Registration, folder: Path, shown: Shown | None = None
    ) -> VersionInfo:
        """Upload a prepared directory as a new version, atomically."""
        check_content(registration, folder)
        found = self.find(registration.model, registration.run)
        if found is None:
            with self._connected() as client:
                self._upload(client, registration, folder, shown or Shown())
            found = self.find(registration.model, registration.run)
            if found is None:
                raise Unavailable(
                    "MLflow does not show the version that it has just made",
                    where=f"{self._uri}, {registration.model}",
                    hint="run again: it is safe",
                )
        check_same_run(registration, found)
        with self._connected() as client:
            _link(client, found)
        return found

    def get(self, model: str, version: str) -> VersionInfo:
        """A version's facts."""
        with self._connected() as client:
            return _info(_version(client, model, version))

    def versions(self, model: str) -> tuple[VersionInfo, ...]:
        """Every complete version that Gauntlet registered, one for each run.

        Those of ``live`` come first, then the others, each oldest first.
        """
        with self._connected() as client:
            found = _search(client, model)
        infos = (_info(one) for one in found if has_facts(one.tags))
        first: dict[str, VersionInfo] = {}
        for info in infos:
            first.setdefault(info.run, info)
        return tuple(first.values())

    def download(self, info: VersionInfo, into: Path) -> Path:
        """A verified copy of the version's directory inside ``into``."""

        model, number = registered_version(info.model, info.version)

        def fetch(part: Path) -> None:
            from mlflow.artifacts import download_artifacts
            from mlflow.exceptions import MlflowException

            from pipelines.adapters.registry.mlflow_client import (
                client_address,
                is_outage,
                transferring_files,
            )

            part.mkdir()
            try:
                with transferring_files():
                    download_artifacts(
                        artifact_uri=f"models:/{model}/{number}",
                        dst_path=str(part),
                        tracking_uri=client_address(self._uri),
                    )
            except MlflowException as cause:
                if is_outage(cause) and not _missing_files(cause):
                    raise
                raise _lost(info, cause) from cause
            except FileNotFoundError as cause:
                raise _lost(info, cause) from cause

        with self._connected():
            return download_verified(info, into, fetch)

    def remove(self, info: VersionInfo) -> None:
        """Remove a version, its logged model, its run and the runs below that.

        ``mlflow gc`` then frees the files.
        """
        from pipelines.adapters.registry.mlflow_client import find

        place = registered_version(info.model, info.version)
        with self._connected() as client:
            found = find(client.get_model_version, *place)
            if found is None:
                return
            check_no_alias(info, list(found.aliases))
            # The version goes last: a process that is killed before finds it again.
            find(client.delete_logged_model, str(found.source).removeprefix("models:/"))
            if found.run_id:
                _delete_run(client, found.run_id)
            find(client.delete_model_version, *place)

    def describe(self, model: str, version: str, markdown: str) -> None:
        """Set the description of a version; links lead to the files of the model and of its run."""
        from pipelines.adapters.registry.mlflow_client import write
        from pipelines.adapters.registry.mlflow_run import with_run_links

        with self._connected() as client:
            found = _version(client, model, version)
            text = markdown.replace("](extra_files/", f"]({_files_of(found)}extra_files%2F")
            if f"]({RUN_FILES}" in text and found.run_id:
                text = with_run_links(text, client.get_run(found.run_id))
            text = shortened(text, LONGEST_DESCRIPTION)
            write(client.update_model_version, found.name, found.version, description=text)

    def describe_model(self, model: str, markdown: str) -> None:
        """Set the description of a registered model, unless it has this one."""
        from pipelines.adapters.registry.mlflow_client import find, write

        text = shortened(markdown, LONGEST_DESCRIPTION)
        with self._connected() as client:
            found = find(client.get_registered_model, model)
            if found is not None and found.description != text:
                write(client.update_registered_model, model, description=text)

    def link_backfills(self, model: str, title: str, address: str) -> None:
        """Show a link in the description of the registered model of backfills."""
        from pipelines.adapters.registry.mlflow_client import find, write

        _, backfills = registered_models(model)
        with self._connected() as client:
            found = find(client.get_registered_model, backfills)
            if found is not None:
                text = with_link(found.description or "", title, address)
                text = shortened(text, LONGEST_DESCRIPTION)
                write(client.update_registered_model, backfills, text)

    def described(self, model: str, version: str) -> str:
        """The description of a version; links to its pictures lead to this server."""
        with self._connected() as client:
            return _version(client, model, version).description or ""

    def alias(self, model: str, name: str) -> str | None:
        """The version that the alias points at; None when the model or the alias is missing."""
        from pipelines.adapters.registry.mlflow_client import find

        with self._connected() as client:
            found = find(client.get_registered_model, model)
            version = found.aliases.get(name) if found else None
            return None if version is None else str(version)

    def set_alias(self, model: str, name: str, version: str | None) -> None:
        """Point the alias at a version, or remove it (None)."""
        from pipelines.adapters.registry.mlflow_client import write

        with self._connected() as client:
            if version is None:
                if self.alias(model, name) is not None:
                    client.delete_registered_model_alias(model, name)
                return
            found = _version(client, model, version)
            check_alias_lineage(model, name, version, found.tags)
            write(client.set_registered_model_alias, found.name, name, found.version)

    def tags(self, model: str, version: str) -> Mapping[str, str]:
        """Tags of any version, including one registered by hand; empty when absent."""
        from pipelines.adapters.registry.mlflow_client import find

        with self._connected() as client:
            found = find(client.get_model_version, *registered_version(model, version))
            return dict(found.tags) if found else {}

    def tag(self, model: str, version: str, key: str, value: str) -> None:
        """Set a tag."""
        from pipelines.adapters.registry.mlflow_client import write

        with self._connected() as client:
            found = _version(client, model, version)
            write(client.set_model_version_tag, found.name, found.version, key, value)

    @contextmanager
    def _connected(self) -> Iterator[MlflowClient]:
        """A client of this address, imported on first use; translates MLflow's errors."""
        from pipelines.adapters.registry.mlflow_client import connected

        with connected(self._uri) as client:
            yield client

    def _upload(
        self, client: MlflowClient, registration: Registration, folder: Path, shown: Shown
    ) -> None:
        from pipelines.adapters.registry.mlflow_client import create, write
        from pipelines.adapters.registry.mlflow_run import log_model, log_run, training_data

        data = training_data(registration, folder, shown)
        run = log_run(client, registration, shown, data, self._artifacts)
        model = log_model(client, registration, shown, data, run, folder)
        write(client.set_terminated, run, "FINISHED")
        name = registered_model_of(registration)
        about = "" if name == registration.model else _BACKFILLS.format(registration.model)
        create(client.create_registered_model, name, description=about)
        client.create_model_version(
            name,
            source=model.model_uri,
            run_id=run,
            tags=version_tags(registration),
            model_id=model.model_id,
            await_creation_for=0,  # it is READY immediately; waiting would only write to the log
        )


def _delete_run(client: MlflowClient, run: str) -> None:
    """Delete a run, after the runs below it."""
    from pipelines.adapters.registry.mlflow_client import find

    own = find(client.get_run, run)
    if own is None:
        return
    query = f"tags.`{ABOVE}` = '{run}'"
    while below := client.search_runs([own.info.experiment_id], query):
        for one in below:
            find(client.delete_run, one.info.run_id)
    find(client.delete_run, run)


def _search(client: MlflowClient, model: str) -> list[ModelVersion]:
    """Versions that are READY: those of ``live``, then the others, each oldest first."""
    names = registered_models(model)
    listed = ", ".join(f"'{name}'" for name in names)
    found: list[ModelVersion] = []
    token: str | None = None
    while token is None or token:
        page = client.search_model_versions(
            f"name IN ({listed})", max_results=200, page_token=token
        )
        found += page
        token = page.token or ""
    ready = (one for one in found if one.status == "READY")
    return sorted(ready, key=lambda one: (names.index(one.name), int(one.version)))


def _version(client: MlflowClient, model: str, version: str) -> ModelVersion:
    from pipelines.adapters.registry.mlflow_client import find

    found = find(client.get_model_version, *registered_version(model, version))
    if found is None:
        raise no_such_version(model, version)
    return found


def _link(client: MlflowClient, info: VersionInfo) -> None:
    """Link the page of the logged model to its version."""
    from pipelines.adapters.registry.mlflow_client import write

    found = _version(client, info.model, info.version)
    model = str(found.source or "").removeprefix("models:/")
    link = json.dumps([{"name": found.name, "version": int(found.version)}])
    if client.get_logged_model(model).tags.get("mlflow.modelVersions") != link:
        write(client.set_logged_model_tags, model, {"mlflow.modelVersions": link})


def _info(found: ModelVersion) -> VersionInfo:
    model, version = version_id(RegisteredVersion(found.name, str(found.version)))
    return version_from_tags(model, version, found.tags)


def _files_of(found: ModelVersion) -> str:
    """URL prefix of the model's files, relative to the server."""
    model = str(found.source).removeprefix("models:/")
    return f"/ajax-api/2.0/mlflow/logged-models/{model}/artifacts/files?artifact_file_path="


def artifact_folder(uri: str) -> str | None:
    """The folder ``mlartifacts`` next to MLflow's database file, as a URI."""
    database = sqlite_path(uri)
    return (database.resolve().parent / "mlartifacts").as_uri() if database else None


def _missing_files(error: Exception) -> bool:
    return "No such artifact" in str(error) or "No such file" in str(error)


def _lost(info: VersionInfo, cause: Exception) -> IntegrityError:
    return IntegrityError(
        "the files of a version are gone",
        where=f"{info.model} version {info.version}",
        got=str(cause).partition("\n")[0][:300],
        wanted=f"content {info.content}",
        hint="restore the artifact store, or roll back to another version",
    )
