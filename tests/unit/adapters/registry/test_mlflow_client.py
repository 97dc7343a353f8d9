"""The connection to MLflow: servers that do not answer, and writes that are overtaken."""

from __future__ import annotations

import socket
from collections.abc import Iterator

import pytest
from mlflow.exceptions import MlflowException

from pipelines.adapters.registry import mlflow_client
from pipelines.adapters.registry.mlflow_client import connected, write
from pipelines.core.errors import Unavailable


@pytest.fixture
def silent() -> Iterator[str]:
    """The address of a server that accepts connections and never answers."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield f"http://127.0.0.1:{server.getsockname()[1]}"


def test_a_server_that_never_answers_is_reported(
    silent: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mlflow_client, "ANSWER_S", 0.2)
    with pytest.raises(Unavailable, match="does not answer") as error, connected(silent):
        pass
    assert silent in str(error.value)


def overtaken() -> MlflowException:
    return MlflowException(
        "(sqlite3.IntegrityError) UNIQUE constraint failed: model_version_tags.key"
    )


def test_an_overtaken_write_is_repeated() -> None:
    outcomes: list[MlflowException | None] = [overtaken(), overtaken(), None]

    def change(value: str) -> str:
        outcome = outcomes.pop(0)
        if outcome is not None:
            raise outcome
        return value

    assert write(change, "written") == "written"
    assert outcomes == []


def test_a_write_that_is_always_overtaken_ends() -> None:
    attempts = []

    def change() -> None:
        attempts.append(1)
        raise overtaken()

    with pytest.raises(Unavailable):
        write(change)
    assert len(attempts) == mlflow_client._ATTEMPTS


def test_any_other_refusal_is_not_repeated() -> None:
    attempts = []

    def change() -> None:
        attempts.append(1)
        raise MlflowException("no such version")

    with pytest.raises(MlflowException, match="no such version"):
        write(change)
    assert len(attempts) == 1
