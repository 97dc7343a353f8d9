"""The paths of the local stack, its processes, and their shared environment."""

from __future__ import annotations

import json
import os
import secrets
import signal
import sys
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from postgres import Cluster, obstacle
from processes import HOST, Process, StackError

from pipelines.settings import Settings

ROOT = Path(__file__).resolve().parents[1]
BIN = Path(sys.executable).parent
USER = "admin"
DAEMONS = {
    "airflow-api-server": ("api-server",),
    "airflow-scheduler": ("scheduler", "--skip-serve-logs"),
    "airflow-dag-processor": ("dag-processor",),
    "airflow-triggerer": ("triggerer", "--skip-serve-logs"),
}


def port(setting: str, default: int) -> int:
    """A port from the environment.

    Raises:
        StackError: it is not a port.
    """
    text = os.environ.get(setting, str(default))
    if not text.isdecimal() or not 0 < int(text) < 65536:
        raise StackError(f"{setting} is no port: got {text!r}, wanted a number from 1 to 65535")
    return int(text)


def private(path: Path, text: str) -> None:
    """Write a file that only its owner may read."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.touch(mode=0o600)
    path.write_text(text, encoding="utf-8")


@dataclass(frozen=True)
class Stack:
    """The paths and processes of the local stack."""

    settings: Settings
    airflow_port: int
    mlflow_port: int
    postgres_port: int

    @classmethod
    def from_environment(cls) -> Stack:
        """Read the settings as every other part of the project does."""
        return cls(
            settings=Settings(),
            airflow_port=port("GAUNTLET_AIRFLOW_PORT", 8080),
            mlflow_port=port("GAUNTLET_MLFLOW_PORT", 5000),
            postgres_port=port("GAUNTLET_POSTGRES_PORT", 55432),
        )

    @property
    def home(self) -> Path:
        """Everything that the stack writes is below it."""
        return self.settings.home.resolve()

    @property
    def state(self) -> Path:
        """Pid files, the lock and the secrets of this home."""
        return self.home / "stack"

    @property
    def logs(self) -> Path:
        """One file for each process."""
        return self.home / "logs"

    @property
    def airflow_url(self) -> str:
        """Airflow's page and API."""
        return f"http://{HOST}:{self.airflow_port}"

    @property
    def own_mlflow(self) -> bool:
        """Whether MLflow is started here: not when the settings name a server."""
        return not self.settings.mlflow_address.startswith(("http://", "https://"))

    @property
    def mlflow_url(self) -> str:
        """MLflow's page and API."""
        own = f"http://{HOST}:{self.mlflow_port}"
        return own if self.own_mlflow else self.settings.mlflow_address

    @property
    def passwords(self) -> Path:
        """The file of the one user's password, made once for each home."""
        path = self.state / "passwords.json"
        if not path.exists():
            private(path, json.dumps({USER: secrets.token_urlsafe(9)}))
        return path

    @property
    def password(self) -> str:
        """The password of the one user."""
        return str(json.loads(self.passwords.read_text(encoding="utf-8"))[USER])

    @property
    def jwt_secret(self) -> str:
        """The signing secret of all of Airflow's daemons, made once for each home."""
        path = self.state / "jwt_secret"
        if not path.exists():
            private(path, secrets.token_urlsafe(48))
        return path.read_text(encoding="utf-8")

    @cached_property
    def no_postgres(self) -> str:
        """Why Airflow's records are in SQLite; "" when they are in PostgreSQL."""
        return obstacle(self.home / "postgres")

    @cached_property
    def cluster(self) -> Cluster:
        """The private PostgreSQL."""
        return Cluster(self.home / "postgres", self.postgres_port)

    @cached_property
    def environment(self) -> dict[str, str]:
        """The environment of every daemon, and so of every task: absolute paths, loopback only."""
        own = f"{HOST},localhost"
        proxy_free = os.environ.get("NO_PROXY") or os.environ.get("no_proxy") or ""
        return {
            **os.environ,
            "PATH": f"{BIN}{os.pathsep}{os.environ.get('PATH', os.defpath)}",
            "NO_PROXY": f"{proxy_free},{own}".lstrip(","),
            "no_proxy": f"{proxy_free},{own}".lstrip(","),
            "GAUNTLET_HOME": str(self.home),
            "GAUNTLET_MODELS": str(self.settings.models.resolve()),
            "GAUNTLET_EXPECTATIONS": str(self.settings.expectations.resolve()),
            "GAUNTLET_STORE": self.settings.store_address,
            "GAUNTLET_SHARED": self.settings.shared,
            "GAUNTLET_LEDGER_URL": self.settings.ledger_address,
            "GAUNTLET_ONLINE_URL": self.settings.online_address,
            "GAUNTLET_MLFLOW_URI": self.mlflow_url,
            "MLFLOW_DISABLE_TELEMETRY": "true",
            "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
            "GX_ANALYTICS_ENABLED": "false",
            **{f"AIRFLOW__{key}": value for key, value in self._airflow().items()},
            "AIRFLOW_HOME": str(self.home / "airflow"),
        }

    def _airflow(self) -> dict[str, str]:
        settings = {
            "API__BASE_URL": self.airflow_url,
            "API__HOST": HOST,
            "API__PORT": str(self.airflow_port),
            "API__WORKERS": "1",
            "API_AUTH__JWT_SECRET": self.jwt_secret,
            "CORE__DAGS_FOLDER": str(ROOT / "dags"),
            "CORE__EXECUTION_API_SERVER_URL": f"{self.airflow_url}/execution/",
            "CORE__LOAD_EXAMPLES": "False",
            # As many worker processes wait, each holding memory.
            "CORE__PARALLELISM": "4",
            "CORE__PLUGINS_FOLDER": str(ROOT / "plugins"),
            "CORE__SIMPLE_AUTH_MANAGER_PASSWORDS_FILE": str(self.passwords),
            "CORE__SIMPLE_AUTH_MANAGER_USERS": f"{USER}:admin",
            # Declarations change without the DAG file: it is read often, which is cheap.
            "DAG_PROCESSOR__MIN_FILE_PROCESS_INTERVAL": "10",
            "DAG_PROCESSOR__REFRESH_INTERVAL": "10",
            "LOGGING__NAMESPACE_LEVELS": "great_expectations=WARNING",
            # A second between two looks of the scheduler is most of a small run's time.
            "SCHEDULER__SCHEDULER_IDLE_SLEEP_TIME": "0.1",
            "USAGE_DATA_COLLECTION__ENABLED": "False",
        }
        if not self.no_postgres:
            settings["DATABASE__SQL_ALCHEMY_CONN"] = self.cluster.url("psycopg")
            settings["DATABASE__SQL_ALCHEMY_CONN_ASYNC"] = self.cluster.url("psycopg_async")
        return settings

    def process(self, name: str, command: list[str], **more: Any) -> Process:
        """A process of this stack."""
        return Process(name=name, command=command, state=self.state, logs=self.logs, **more)

    def mlflow(self) -> Process:
        """The server over the shell's own registry; files stay readable without the server."""
        command = [
            *(str(BIN / "mlflow"), "server", "--host", HOST, "--port", str(self.mlflow_port)),
            *("--workers", "1", "--backend-store-uri", self.settings.mlflow_address),
            *("--no-serve-artifacts", "--default-artifact-root", str(self.home / "mlartifacts")),
        ]
        return self.process(
            "mlflow",
            command,
            env=self.environment,
            port=self.mlflow_port,
            port_setting="GAUNTLET_MLFLOW_PORT",
        )

    def airflow(self) -> list[Process]:
        """Airflow's four daemons."""
        return [
            self.process(
                name,
                [str(BIN / "airflow"), *arguments],
                env=self.environment,
                port=self.airflow_port if name == "airflow-api-server" else None,
                port_setting="GAUNTLET_AIRFLOW_PORT",
            )
            for name, arguments in DAEMONS.items()
        ]

    def names(self) -> list[Process]:
        """All processes by name, to find and stop them: what is needed is in their pid files."""
        plain = [self.process(name, []) for name in [*DAEMONS, "mlflow"]]
        return [*plain, self.process("postgres", [], stop_signal=signal.SIGINT)]
