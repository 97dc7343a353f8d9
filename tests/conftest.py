"""A real PostgreSQL and a real Redis for every test that asks, started once, removed at the end."""

import itertools
import shutil
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests import servers


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
    folder = Path(tempfile.mkdtemp(prefix="gauntlet-redis-"))
    server, address = servers.redis(folder)
    try:
        server.start()
        yield address
    finally:
        server.stop()
        shutil.rmtree(folder, ignore_errors=True)
