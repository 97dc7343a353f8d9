"""A registry whose server is away or fails, and a file that is no database."""

from __future__ import annotations

import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from pipelines.adapters.registry.mlflow import MlflowRegistry
from pipelines.core.errors import IntegrityError, Unavailable
from tests.support.fault_proxy import RefusingServer
from tests.support.servers import free_port


def test_a_file_that_is_no_database_is_named(tmp_path: Path) -> None:
    """The process's address is a database's; what is there is none."""
    path = tmp_path / "notes.txt"
    path.write_bytes(b"no database" * 1000)
    with pytest.raises(IntegrityError, match="MLflow's database cannot be read") as found:
        MlflowRegistry(f"sqlite:///{path}").alias("demand", "champion")
    assert str(path) in found.value.where
    assert "not a database" in found.value.got
    assert "GAUNTLET_MLFLOW_URI" in found.value.hint
    assert path.read_bytes() == b"no database" * 1000, "it was written to"


def test_a_server_that_is_away_is_unavailable_and_reported() -> None:
    with RefusingServer() as server, pytest.raises(Unavailable) as away:
        MlflowRegistry(server.address).find("demand", "r1")
    assert server.address in str(away.value)
    assert "safe to run again" in str(away.value)
    assert server.attempts == 1, "the first request is not repeated, so that the answer comes soon"


def test_where_no_server_listens_is_unavailable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    address = f"http://127.0.0.1:{free_port()}"
    with pytest.raises(Unavailable, match=address):
        MlflowRegistry(address).find("demand", "r1")


class _Failing(BaseHTTPRequestHandler):
    status: int

    def do_GET(self) -> None:
        self.send_error(self.status)

    do_POST = do_GET

    def log_message(self, *_: object) -> None:
        pass


@pytest.mark.parametrize("status", [500, 502, 503])
def test_a_server_that_fails_is_unavailable(status: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "1")
    handler = type("Failing", (_Failing,), {"status": status})
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as failing:
        threading.Thread(target=failing.serve_forever, daemon=True).start()
        registry = MlflowRegistry(f"http://127.0.0.1:{failing.server_port}")
        with pytest.raises(Unavailable, match="safe to run again"):
            registry.alias("demand", "champion")
        failing.shutdown()
