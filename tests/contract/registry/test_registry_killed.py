"""Registrations that are killed anywhere and run again, and a database killed while it is made."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Callable
from pathlib import Path

import mlflow
import pytest

from pipelines.adapters.registry.folder import FolderRegistry
from pipelines.adapters.registry.mlflow import MlflowRegistry
from pipelines.packaging.package import content_digest
from pipelines.release.registry import Registration, Shown
from tests.support.kills import dying
from tests.support.processes.forked import Forked, Surroundings

MLFLOW_POINTS = (
    "create_run after",
    "create_logged_model after",
    "log_model_artifacts before",
    "finalize_logged_model before",
    "create_model_version before",
    "create_model_version after",
)
Make = Callable[..., Registration]
SHOWN = Shown(parameters={"estimator": "HistGradientBoosting"}, metrics={"absolute_error": 4.1})


@pytest.fixture(scope="module")
def killed(
    database: str, pack: Callable, registration: Make, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """Registrations of one version under several names, each killed at one point."""
    folder, log = pack("regression").folder, tmp_path_factory.mktemp("killed") / "log"
    inherits = Surroundings(os.environ, log.parent, log, log)
    for point in (*MLFLOW_POINTS, "rename before"):
        given = registration("r1", name_of(point))
        place = folder_of(database) if point == "rename before" else database
        process = Forked(dying.register, place, folder, given, point, inherits=inherits)
        assert process.wait() == -signal.SIGKILL, f"{point}: {log.read_text()}"


def name_of(point: str) -> str:
    return "killed_" + point.replace(" ", "_")


def folder_of(database: str) -> Path:
    return Path(database.removeprefix("sqlite:///") + ".folder")


@pytest.mark.usefixtures("killed")
@pytest.mark.parametrize("point", MLFLOW_POINTS)
def test_a_registration_killed_anywhere_and_run_again_makes_one_version(
    point: str,
    database: str,
    pack: Callable,
    registration: Make,
    tmp_path: Path,
) -> None:
    model, folder = name_of(point), pack("regression").folder
    given, registry = registration("r1", model), MlflowRegistry(database)
    complete = point == "create_model_version after"
    assert len(registry.versions(model)) == complete, "half a version must not be shown"
    made = registry.register(given, folder, SHOWN)
    assert [info.run for info in registry.versions(model)] == ["r1"]
    assert content_digest(registry.download(made, tmp_path)) == given.content
    client = mlflow.MlflowClient()
    experiment = client.get_experiment_by_name(model).experiment_id
    assert [run.info.status for run in client.search_runs([experiment])] == ["FINISHED"]
    (logged,) = client.search_logged_models([experiment])
    assert str(logged.status) == "READY", "the model begun by the killed process is finished"
    assert json.loads(logged.tags["mlflow.modelVersions"]) == [{"name": model, "version": 1}]


@pytest.mark.usefixtures("killed")
def test_a_killed_copy_into_the_folder_is_no_version(
    database: str, pack: Callable, registration: Make
) -> None:
    registry, model = FolderRegistry(folder_of(database)), name_of("rename before")
    assert registry.versions(model) == ()
    given = registration("r1", model)
    assert registry.register(given, pack("regression").folder).version == "1"


def test_a_database_whose_creation_was_killed_is_created_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """MLflow would refuse it for ever: it does not continue its migrations."""

    class KilledError(BaseException):
        pass

    def die(*_: object, **__: object) -> None:
        raise KilledError

    registry = MlflowRegistry(f"sqlite:///{tmp_path}/mlflow.db")
    with monkeypatch.context() as patched:
        patched.setattr("mlflow.store.db.utils._upgrade_db", die)
        with pytest.raises(KilledError):
            registry.versions("demand")
    assert not (tmp_path / "mlflow.db").exists()
    assert registry.versions("demand") == ()
    assert [path.name for path in tmp_path.iterdir()] == ["mlflow.db"]
