"""The stack of docker-compose.yml under a project name, secrets and ports of its own."""

from __future__ import annotations

import contextlib
import json
import os
import secrets
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.compose.engine import ROOT, Engine, run
from tests.support.servers import PATIENCE_S, free_port

TAG = "compose-test"
IN_CONTAINER = Path(__file__).with_name("in_container.py")
SECRETS = (
    "POSTGRES_PASSWORD",
    "AIRFLOW_DB_PASSWORD",
    "MLFLOW_DB_PASSWORD",
    "MLFLOW_PEOPLE_PASSWORD",
    "MLFLOW_AIRFLOW_PASSWORD",
    "MLFLOW_SERVICE_PASSWORD",
    "MLFLOW_FORM_SECRET",
    "LEDGER_DB_PASSWORD",
    "SERVING_DB_PASSWORD",
    "REDIS_PASSWORD",
    "S3_SECRET_KEY",
    "AIRFLOW_ADMIN_PASSWORD",
    "AIRFLOW_JWT_SECRET",
)
PORTS = ("MLFLOW_PORT", "AIRFLOW_PORT", "SERVING_PORT")
RUN_ONCE = {"prepare"}
STOPPED = {0, 143}  # exit codes: ended by itself, or by SIGTERM


def write_environment(path: Path, images: Mapping[str, str]) -> dict[str, str]:
    """Write a .env with fresh secrets and free ports; returns its values.

    Arguments:
        path: readable by its owner alone.
        images: values that replace those of .env or .env.example.
    """
    own = ROOT / ".env"
    known = own if own.exists() else ROOT / ".env.example"
    lines = (line.strip() for line in known.read_text(encoding="utf-8").splitlines())
    values = dict(line.split("=", 1) for line in lines if "=" in line and line[0] != "#")
    values |= {name: secrets.token_hex(32) for name in SECRETS}
    values |= {name: str(free_port()) for name in PORTS}
    values |= {"GAUNTLET_TAG": TAG, **images}
    path.touch(mode=0o600)
    path.write_text("".join(f"{k}={v}\n" for k, v in values.items()), encoding="utf-8")
    return values


def new_stack(engine: Engine, folder: Path) -> Stack:
    """A project that is not started yet, with its .env in a folder."""
    command = ["docker-compose"]  # 1.29
    with contextlib.suppress(SystemExit):
        engine.docker("compose", "version")
        command = ["docker", "compose"]
    project, env_file = f"gauntlet_compose_test_{os.getpid()}", folder / "compose.env"
    values = write_environment(env_file, engine.images)
    command += [f"--project-name={project}", f"--project-directory={ROOT}"]
    command += [f"--file={ROOT / 'docker-compose.yml'}", f"--env-file={env_file}"]
    return Stack(engine, project, values, command)


@dataclass(frozen=True)
class Stack:
    """One project of Compose.

    Arguments:
        engine: where it runs.
        project: its name, with which everything that it makes is labelled.
        values: of its .env.
        command: of Compose, for this project.
    """

    engine: Engine
    project: str
    values: Mapping[str, str]
    command: Sequence[str]

    def compose(self, *arguments: str) -> str:
        """The output of a Compose command."""
        # An exported variable would win over the .env.
        env = {k: v for k, v in self.engine.environment.items() if k not in self.values}
        return run([*self.command, *arguments], env)

    def containers(self) -> dict[str, dict[str, Any]]:
        """The engine's description of each container, by service."""
        label = f"--filter=label=com.docker.compose.project={self.project}"
        ids = self.engine.docker("ps", "--all", "--quiet", label).split()
        found = json.loads(self.engine.docker("inspect", *ids)) if ids else []
        return {one["Config"]["Labels"]["com.docker.compose.service"]: one for one in found}

    def up(self, profile: str = "") -> None:
        """Start the services of no profile, or also those of one, until all are healthy.

        Raises:
            SystemExit: a container ended or restarted, or one is not healthy in time.
        """
        profiles = [f"--profile={profile}"] if profile else []
        self.compose(*profiles, "up", "--detach", "--no-build")
        end = time.monotonic() + PATIENCE_S
        while True:
            states = {name: _state(name, one) for name, one in self.containers().items()}
            if set(states.values()) <= {"healthy", "done"}:
                return
            if time.monotonic() > end or any(s.startswith("ended") for s in states.values()):
                raise SystemExit(f"not healthy: {states}")
            time.sleep(1)

    def run_inside(self, service: str, *arguments: str) -> None:
        """Run ``in_container.py`` in the container of a service, and print its output."""
        container = self.containers()[service]["Id"]
        command = ("exec", "--interactive", container, "python", "-", *arguments)
        print(self.engine.docker(*command, stdin=IN_CONTAINER.read_text("utf-8")), end="")

    def check_ports(self) -> None:
        """Check that both pages answer on loopback, and that every port is bound to it alone.

        Raises:
            SystemExit: a page does not answer, or a port is open to other machines.
        """
        for port, page in (("MLFLOW_PORT", "health"), ("AIRFLOW_PORT", "api/v2/monitor/health")):
            address = f"http://127.0.0.1:{self.values[port]}/{page}"
            run([*self.engine.enter, "python3", str(ROOT / "deploy" / "healthy.py"), address])
        for name, one in self.containers().items():
            for bound in (one["NetworkSettings"]["Ports"] or {}).values():
                if any(place["HostIp"] != "127.0.0.1" for place in bound or ()):
                    raise SystemExit(f"{name} listens beyond loopback: {bound}")

    def stop(self) -> None:
        """Stop every service.

        Raises:
            SystemExit: one had to be killed, or ended with an error.
        """
        self.compose("--profile=serving", "stop")
        codes = {name: one["State"]["ExitCode"] for name, one in self.containers().items()}
        if bad := {name: code for name, code in codes.items() if code not in STOPPED}:
            raise SystemExit(f"did not stop well: {bad}")

    def down(self) -> None:
        """Remove the project with its volumes, networks and the image that was built for it."""
        self.compose("--profile=serving", "down", "--volumes", "--remove-orphans", "--timeout=20")
        if not self.engine.images and self.engine.docker("images", "--quiet", f"gauntlet:{TAG}"):
            self.engine.docker("image", "rm", f"gauntlet:{TAG}")


def _state(service: str, container: Mapping[str, Any]) -> str:
    """``healthy``, ``done``, ``ended ...``, or Docker's own word."""
    state = container["State"]
    if state["Status"] == "exited":
        done = state["ExitCode"] == 0 and service in RUN_ONCE
        return "done" if done else f"ended with {state['ExitCode']}"
    if container["RestartCount"]:
        return f"ended and restarted {container['RestartCount']} times"
    return str(state.get("Health", {}).get("Status", state["Status"]))
