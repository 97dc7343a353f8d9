"""A remote collaborator that does not answer ends a command with an error, in bounded time."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Event, Thread
from typing import ClassVar

import pytest

from pipelines.adapters.database import open_engine
from pipelines.adapters.events.postgres import PostgresEvents
from pipelines.adapters.ledger.sql import SqlLedger
from pipelines.adapters.objects.s3 import S3Store
from pipelines.adapters.online.redis import RedisOnline
from pipelines.adapters.registry.mlflow import MlflowRegistry
from pipelines.adapters.registry.mlflow_client import transferring_files
from pipelines.adapters.third_party import settle_libraries
from pipelines.core import patience
from pipelines.core.errors import Unavailable
from pipelines.core.time import FixedClock
from pipelines.data.cache import Cache
from pipelines.spec.model import ModelSpec
from tests.support.sales import sales_model

__all__ = ["sales_model"]

NOW = datetime(2026, 1, 10, tzinfo=UTC)


@pytest.fixture
def port() -> Iterator[int]:
    """A port that accepts connections and never answers."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield int(server.getsockname()[1])


def _events(port: int, spec: ModelSpec, cache: Path) -> object:
    source = PostgresEvents(f"postgresql://me:hush@127.0.0.1:{port}/events", "sales")
    return source.pull("sales", spec.streams["sales"], NOW, Cache(cache), lambda _: None)


def _ledger(port: int, *_: object) -> object:
    engine = open_engine(f"postgresql://me:hush@127.0.0.1:{port}/ledger")
    return SqlLedger(engine, FixedClock(NOW)).head("demand")


def _s3(port: int, *_: object) -> object:
    os.environ["AWS_ENDPOINT_URL"] = f"http://127.0.0.1:{port}"
    return list(S3Store("s3://bucket").list("a/"))


REQUESTS: dict[str, Callable[[int, ModelSpec, Path], object]] = {
    "events in PostgreSQL": _events,
    "ledger in PostgreSQL": _ledger,
    "MLflow": lambda port, *_: MlflowRegistry(f"http://127.0.0.1:{port}").versions("demand"),
    "Redis": lambda port, *_: RedisOnline(f"redis://127.0.0.1:{port}/0").state("view"),
    "S3": _s3,
}


@pytest.mark.parametrize("what", REQUESTS)
def test_a_server_that_never_answers_is_unavailable(
    what: str,
    port: int,
    sales_model: Callable[..., ModelSpec],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(patience, "ANSWER_S", 3.3)
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_ENDPOINT_URL"):
        monkeypatch.setenv(name, "someone")
    with pytest.raises(Unavailable) as error:
        REQUESTS[what](port, sales_model(), tmp_path)
    assert str(port) in error.value.where
    assert error.value.exit_code == 5
    assert error.value.hint
    assert "hush" not in str(error.value)


class _AnswersOnce(BaseHTTPRequestHandler):
    """Answers the first request of a process, and hangs at each later one."""

    paths: ClassVar[list[str]] = []
    ended: ClassVar[Event] = Event()

    def do_GET(self) -> None:
        self.paths.append(self.path)
        if len(self.paths) == 1:
            self.send_error(404)
        else:
            self.ended.wait()

    def log_message(self, *_: object) -> None:
        pass


def test_an_mlflow_that_hangs_after_the_first_request_is_unavailable(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_TIMEOUT", "1")
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "1")
    with ThreadingHTTPServer(("127.0.0.1", 0), _AnswersOnce) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        try:
            with pytest.raises(Unavailable, match="MLflow does not answer"):
                MlflowRegistry(f"http://127.0.0.1:{server.server_port}").versions("demand")
        finally:
            _AnswersOnce.ended.set()
            server.shutdown()
    assert len(_AnswersOnce.paths) == 3, "the first request, and two attempts of the second"


def test_by_default_all_attempts_of_mlflow_end_within_the_promise(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    names = ("MLFLOW_HTTP_REQUEST_TIMEOUT", "MLFLOW_HTTP_REQUEST_MAX_RETRIES")
    for name in names:
        monkeypatch.setenv(name, "")  # so that it is restored
        monkeypatch.delenv(name)
    settle_libraries()
    timeout, retries = (int(os.environ[name]) for name in names)
    assert (retries + 1) * timeout <= patience.ANSWER_S == 15


def test_a_file_may_take_longer(monkeypatch: pytest.MonkeyPatch) -> None:
    name = "MLFLOW_HTTP_REQUEST_TIMEOUT"
    for before, within in (("7", "60"), ("90", "90")):
        monkeypatch.setenv(name, before)
        with transferring_files():
            assert os.environ[name] == within
        assert os.environ[name] == before
