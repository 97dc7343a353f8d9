"""One Chromium and one set of servers for all pages."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from pipelines.core.markup import url_part
from tests.dags.conftest import airflow_database, dags, pytest_unconfigure, store_dag
from tests.support.pharmacy import CLOCK, RICH, ROOT, SECOND, Pharmacy
from tests.support.servers import Server, free_port, mlflow, program_of
from tests.support.services.browser import chromium
from tests.support.services.running import SERVING

if TYPE_CHECKING:
    from selenium.webdriver import Chrome

__all__ = ["airflow_database", "pytest_unconfigure"]  # a fixture, and what removes its folder
DAY = timedelta(days=1)
USER, PASSWORD = "admin", "of the tests"
JOBS = ("retrain", "materialize", "monitor", "score")


@pytest.fixture(scope="session")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Chrome]:
    """Chromium; skips where it is not installed."""
    with chromium(tmp_path_factory.mktemp("chromium")) as driver:
        yield driver


@pytest.fixture(scope="session")
def pharmacy(
    browser: Chrome, answering: Pharmacy, tmp_path_factory: pytest.TempPathFactory
) -> Pharmacy:
    """The pharmacy whose pages are looked at: with scores of two days, and a board."""
    from pipelines.core.time import FixedClock
    from pipelines.flows.serving.batch_score import score
    from pipelines.flows.serving.board import write_board
    from pipelines.wiring import connect

    found = answering.twin(tmp_path_factory.mktemp("pages"))
    board = {"stock": "on_hand", "new_for": "7d"}
    found.declare(RICH, serving=SERVING, board=board, score="30 0 * * *")
    earlier = connect(found.settings, clock=FixedClock(CLOCK.now() - DAY))
    for days in (13, 12):
        score("demand", SECOND - days * DAY, earlier.scoring)
    parts = connect(found.settings, clock=CLOCK)
    score("demand", SECOND + DAY, parts.scoring)
    assert write_board("demand", parts.boards) is not None
    return found


@pytest.fixture(scope="session")
def board_service(pharmacy: Pharmacy) -> Iterator[str]:
    """Address of the service."""
    from pipelines.wiring import service_here

    settings = pharmacy.settings.model_copy(update={"serve_models": "demand"})
    with service_here(settings, CLOCK) as (port, follow):
        follow()
        yield f"http://127.0.0.1:{port}"


@pytest.fixture(scope="session")
def mlflow_server(pharmacy: Pharmacy) -> Iterator[str]:
    """Address of MLflow over the pharmacy's registry."""
    server, address = mlflow(pharmacy.home, f"sqlite:///{pharmacy.home / 'mlflow.db'}")
    server.start()
    yield address
    server.stop()


@pytest.fixture(scope="session")
def airflow_server(
    pharmacy: Pharmacy, airflow_database: Path, mlflow_server: str
) -> Iterator[tuple[str, str]]:
    """Address of Airflow's API server with our plugins, and the page of a run of monitoring."""
    from airflow.models.dag import DagModel
    from airflow.utils.session import create_session
    from sqlalchemy import update

    with create_session() as session:
        # Tests of DAGs in the same process have stored others, which no file of this home has.
        session.execute(update(DagModel).values(is_stale=True))
        for job in JOBS:
            for dag in dags(job, pharmacy.home / "models").values():
                store_dag(dag, session)
    port, passwords = free_port(), airflow_database / "passwords.json"
    address = f"http://127.0.0.1:{port}"
    passwords.write_text(json.dumps({USER: PASSWORD}))
    settings = {
        "API__BASE_URL": address,
        "API_AUTH__JWT_SECRET": "of the tests, and long enough for a signature",
        "CORE__SIMPLE_AUTH_MANAGER_PASSWORDS_FILE": str(passwords),
        "CORE__SIMPLE_AUTH_MANAGER_USERS": f"{USER}:admin",
    }
    environment = {
        **{key: value for key, value in os.environ.items() if "GAUNTLET" not in key},
        **pharmacy.environment,
        **{f"AIRFLOW__{key}": value for key, value in settings.items()},
        "GAUNTLET_MLFLOW_URI": mlflow_server,
    }
    program = Path(sys.executable).with_name("airflow")
    command: list[str | Path] = [
        program,
        "api-server",
        "--host",
        "127.0.0.1",
        "--port",
        str(port),
        "--workers",
        "1",
    ]
    log = airflow_database / "api-server.log"

    def answers() -> bool:
        with urllib.request.urlopen(f"{address}/api/v2/version", timeout=5):
            return True

    server = Server(program_of(command, log, environment=environment), answers, log)
    server.start()
    try:
        login = {"username": USER, "password": PASSWORD}
        token = _post(f"{address}/auth/token", login, "")["access_token"]
        page = f"{address}/dags/monitor__demand/runs"
        run = _post(f"{address}/api/v2/dags/monitor__demand/dagRuns", {"logical_date": None}, token)
        yield address, f"{page}/{url_part(run['dag_run_id'])}"
    finally:
        server.stop()


def _post(address: str, body: dict[str, Any], token: str) -> Any:
    headers = {"Content-Type": "application/json", "Authorization": f"Bearer {token}"}
    request = urllib.request.Request(address, json.dumps(body).encode(), headers)
    with urllib.request.urlopen(request) as answer:
        return json.loads(answer.read())


@pytest.fixture(scope="session")
def docs_site(browser: Chrome, tmp_path_factory: pytest.TempPathFactory) -> str:
    """Address of the index of the documentation site."""
    folder = tmp_path_factory.mktemp("site")
    words = ("-q", "-c", "docs", "-d", folder / "doctrees", ".", folder / "site")
    subprocess.run([sys.executable, "-m", "sphinx", *map(str, words)], cwd=ROOT, check=True)
    return (folder / "site" / "docs" / "index.html").as_uri()
