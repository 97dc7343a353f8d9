"""The connection to MLflow: servers that do not answer, and writes that are overtaken."""

from __future__ import annotations

import socket
from base64 import b64encode
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import ClassVar

import pytest
from mlflow.exceptions import MlflowException

from pipelines.adapters.registry import mlflow_client
from pipelines.adapters.registry.mlflow_client import check_answer, connected, write
from pipelines.core import patience
from pipelines.core.errors import Unavailable


@pytest.fixture
def silent() -> Iterator[str]:
    """The address of a server that accepts connections and never answers."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield f"http://127.0.0.1:{server.getsockname()[1]}"


def test_a_server_that_never_answers_is_reported(
    silent: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(patience, "ANSWER_S", 0.2)
    with pytest.raises(Unavailable, match="does not answer") as error, connected(silent):
        pass
    assert silent in str(error.value)


class _Answering(BaseHTTPRequestHandler):
    """Answers every request as absent, and keeps what it was given as a login."""

    logins: ClassVar[list[str | None]] = []

    def do_GET(self) -> None:
        self.logins.append(self.headers.get("Authorization"))
        self.send_error(404)

    def log_message(self, *_: object) -> None:
        pass


def test_the_first_request_has_the_credentials_of_mlflow(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_USERNAME", "tasks")
    monkeypatch.setenv("MLFLOW_TRACKING_PASSWORD", "hunter22")
    with ThreadingHTTPServer(("127.0.0.1", 0), _Answering) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        check_answer(f"http://127.0.0.1:{server.server_port}")
        server.shutdown()
    assert _Answering.logins == ["Basic " + b64encode(b"tasks:hunter22").decode()]


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
