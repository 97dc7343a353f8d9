"""Fixtures that all tests share: a real PostgreSQL and Redis, and a pharmacy."""

from __future__ import annotations

import contextlib
import gc
import itertools
import os
import shutil
import tempfile
from collections.abc import Callable, Generator, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, settings

from pipelines.adapters.third_party import settle_libraries
from tests.support import servers, shared_worlds
from tests.support.processes.duckdb_threads import threads_of
from tests.support.processes.memory_folder import temporary_files_in_memory

# The longest files and folders first, so that all workers end together. Those that wait for servers
# and processes are apart from each other, so that others keep the cores busy meanwhile.
LONGEST_FIRST = (
    "deploy/test_airflow.py",  # waits
    "trap/test_incidents.py",
    "trap/availability",
    "dags/test_dag_run.py",
    "e2e/serving/test_serving_faults.py",  # waits
    "e2e/test_killed.py",
    "e2e/test_materialize.py",
    "trap/test_retrain_traps.py",
    "e2e/serving/test_servers_killed.py",  # waits
    "e2e/refresh",
    "e2e/test_release_faults.py",  # waits
    "trap/test_check_traps.py",
    "e2e/test_audit_flow.py",
    "property/test_frame_twin.py",
    "e2e/test_review.py",
    "e2e/serving/test_two_hosts.py",  # waits
    "e2e",
    "trap",
    "dags",
    "property/test_view_twin.py",
    "contract/events",
    "montecarlo",
)

if TYPE_CHECKING:
    from tests.support.pharmacy import Pharmacy

os.environ.setdefault("MLFLOW_HTTP_REQUEST_TIMEOUT", "60")  # a busy machine answers late
settle_libraries()

# No outcome depends on how fast a machine is.
settings.register_profile(
    "any machine", deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
settings.register_profile(  # for `make proof`, and for a change of how features are computed
    "thorough", settings.get_profile("any machine"), max_examples=2000
)
settings.load_profile("any machine")


RUN = contextlib.ExitStack()  # what lasts as long as a test run


def pytest_configure(config: pytest.Config) -> None:
    """Open the folder of shared worlds, unless this is a worker of pytest-xdist.

    Temporary files of a run with workers are in memory.
    """
    if not hasattr(config, "workerinput"):
        if config.getoption("numprocesses", None):
            RUN.enter_context(temporary_files_in_memory())
        shared_worlds.open_folder()
        RUN.callback(shared_worlds.remove_folder)


def pytest_unconfigure() -> None:
    """Remove these folders."""
    RUN.close()


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Generator[None, object, object]:
    """Collect without the garbage collector, and have it leave alone what was collected.

    Thousands of tests and all imported modules last until the end, and are many objects to visit.
    """
    gc.disable()
    try:
        return (yield)
    finally:
        gc.enable()
        gc.freeze()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Order the tests by how long their files take."""

    def place(item: pytest.Item) -> int:
        name = _name(item)
        matches = (name.startswith(longest) for longest in LONGEST_FIRST)
        return next((number for number, match in enumerate(matches) if match), len(LONGEST_FIRST))

    items.sort(key=place)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> Generator[None, object, object]:
    """Run a test and its fixtures with as many threads of DuckDB as its file takes."""
    with threads_of(_name(item)):
        return (yield)


def _name(item: pytest.Item) -> str:
    """The file of a test, from this folder on."""
    return item.path.relative_to(Path(__file__).parent).as_posix()


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[str]:
    """Address of a fresh server's database ``postgres``, as ``postgresql://...``."""
    folder = Path(tempfile.mkdtemp(prefix="gauntlet-postgres-"))
    try:
        server, address = servers.postgres(folder)
        try:
            server.start()
            yield address
        finally:
            server.stop()
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        Path(f"{folder}.log").unlink(missing_ok=True)


@pytest.fixture(scope="session")
def new_postgres_database(postgres_server: str) -> Callable[[], str]:
    """Makes an empty database at each call and returns its address, ``postgresql://...``."""
    import psycopg

    numbers = itertools.count(1)

    def make() -> str:
        name = f"tests_{next(numbers)}"
        with psycopg.connect(postgres_server, autocommit=True) as connection:
            connection.execute(f"CREATE DATABASE {name}")
        return postgres_server.removesuffix("postgres") + name

    return make


@pytest.fixture
def postgres_url(new_postgres_database: Callable[[], str]) -> str:
    """Address of an empty database of the test's own, ``postgresql://...``."""
    return new_postgres_database()


@pytest.fixture(scope="session")
def redis_server() -> Iterator[str]:
    """Address of a fresh Redis server that keeps nothing, ``redis://127.0.0.1:<port>/0``."""
    with servers.running_redis() as address:
        yield address


@pytest.fixture(scope="session")
def champion() -> Pharmacy:
    """A first version made on ``FIRST``. Copy it before changing anything."""
    from tests.support.pharmacy import shared_champion

    return shared_champion()


@pytest.fixture
def own_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The present folder, with its own declarations, suites and home."""
    monkeypatch.chdir(tmp_path)
    for name in ("models", "expectations", "home"):
        monkeypatch.setenv(f"GAUNTLET_{name.upper()}", str(tmp_path / name))
    return tmp_path
