"""A private PostgreSQL for Airflow's own records, where the server's programs are installed.

Airflow refuses concurrent backfills on SQLite, and says so only when they are created.
"""

from __future__ import annotations

import os
import pwd
import re
import secrets
import shutil
import signal
import subprocess
from pathlib import Path

from processes import HOST, Process, StackError

from pipelines.core.files import atomic_folder

ROLE = DATABASE = "airflow"


def programs() -> Path | None:
    """The folder of the newest installed PostgreSQL server, or None."""
    found = [
        *Path("/usr/lib/postgresql").glob("*/bin/initdb"),
        *Path("/opt/homebrew/opt").glob("postgresql@*/bin/initdb"),
    ]
    if found:
        return max(found, key=lambda path: [int(n) for n in re.findall(r"\d+", str(path))]).parent
    on_path = shutil.which("initdb")
    return Path(on_path).resolve().parent if on_path else None


def account() -> str | None:
    """The account to run it under: PostgreSQL refuses root. None: the caller's own.

    Raises:
        KeyError: the caller is root and there is no account ``postgres``.
    """
    if os.geteuid() != 0:
        return None
    return pwd.getpwnam("postgres").pw_name


def obstacle(folder: Path) -> str:
    """Why a private PostgreSQL cannot run in ``folder``; "" when it can."""
    if programs() is None:
        return "PostgreSQL's server is not installed"
    try:
        user = account()
    except KeyError:
        return "PostgreSQL refuses to run as root, and there is no account `postgres`"
    if user is None:
        return ""
    folder.mkdir(parents=True, exist_ok=True)
    test = ["test", "-x", str(folder)]
    done = subprocess.run(test, check=False, user=user, group=user, extra_groups=[])
    return "" if done.returncode == 0 else f"the account {user} cannot enter {folder}"


class Cluster:
    """A database cluster in a folder, on loopback, with one role and a password of its own."""

    def __init__(self, folder: Path, port: int) -> None:
        found = programs()
        if found is None:
            raise StackError("PostgreSQL's server is not installed")
        self.programs, self.folder, self.port = found, folder, port
        self.data, self.user = folder / "data", account()
        self._password_file = folder / "password"

    @property
    def password(self) -> str:
        """Made once for each cluster."""
        if not self._password_file.exists():
            self._password_file.touch(mode=0o600)
            self._password_file.write_text(secrets.token_urlsafe(24), encoding="utf-8")
            self._own(self._password_file)
        return self._password_file.read_text(encoding="utf-8")

    def url(self, driver: str) -> str:
        """SQLAlchemy's address of the database."""
        return f"postgresql+{driver}://{ROLE}:{self.password}@{HOST}:{self.port}/{DATABASE}"

    def process(self, state: Path, logs: Path) -> Process:
        """The server. An interrupt ends it fast; SIGTERM would wait for its clients."""
        return Process(
            name="postgres",
            command=[
                str(self.programs / "postgres"),
                *("-D", str(self.data)),
                *("-p", str(self.port)),
                *("-c", f"listen_addresses={HOST}"),
                *("-c", "unix_socket_directories="),
            ],
            state=state,
            logs=logs,
            env={"PATH": os.environ.get("PATH", os.defpath), "LC_ALL": "C"},
            port=self.port,
            port_setting="GAUNTLET_POSTGRES_PORT",
            user=self.user,
            stop_signal=signal.SIGINT,
        )

    def create(self) -> None:
        """Make the cluster if it is not there. A half-made one is made anew."""
        if (self.data / "PG_VERSION").exists():
            return
        self.folder.mkdir(parents=True, exist_ok=True)
        self._own(self.folder)
        _ = self.password
        with atomic_folder(self.data) as draft:
            self._own(draft.parent)  # only its owner may enter it
            self._run(
                str(self.programs / "initdb"),
                *("-D", str(draft), "-U", ROLE, "-A", "scram-sha-256"),
                *("--pwfile", str(self._password_file), "-E", "UTF8", "--locale=C", "--no-sync"),
            )

    def answers(self) -> bool:
        """Whether it takes connections."""
        command = [str(self.programs / "pg_isready"), "-q", "-h", HOST, "-p", str(self.port)]
        return subprocess.run(command, check=False).returncode == 0

    def create_database(self) -> None:
        """Make Airflow's database if it is not there."""
        import psycopg

        address = f"postgresql://{ROLE}:{self.password}@{HOST}:{self.port}/postgres"
        with psycopg.connect(address, autocommit=True) as connection:
            query = "select 1 from pg_database where datname = %s"
            if connection.execute(query, (DATABASE,)).fetchone() is None:
                connection.execute(f'create database "{DATABASE}"')

    def _own(self, path: Path) -> None:
        if self.user:
            shutil.chown(path, self.user, self.user)

    def _run(self, *command: str) -> None:
        done = subprocess.run(
            command,
            user=self.user,
            group=self.user,
            extra_groups=[] if self.user else None,
            check=False,
            cwd="/",
            capture_output=True,
            text=True,
        )
        if done.returncode:
            raise StackError(f"{Path(command[0]).name} failed:\n{done.stdout}{done.stderr}")
