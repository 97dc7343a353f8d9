"""The stack of docker-compose.yml on an engine: start, health, requests, removal."""

from __future__ import annotations

import json
import os
import secrets
import socket
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml
from talk import BlockedError, run, say

if TYPE_CHECKING:
    from engine import Engine

ROOT = Path(__file__).resolve().parents[2]
FILE = ROOT / "docker-compose.yml"
HEALTHY_S = 400.0
SERVING = "serving"  # a profile, and its one service
ONCE = {"prepare"}
ENDED = {0, 143}  # exit codes: ended by itself, or by SIGTERM


def write_environment(path: Path, tag: str, more: Mapping[str, str]) -> dict[str, str]:
    """A .env for this run: the images of ours, fresh secrets, free ports; the values written.

    Arguments:
        path: where it is written, readable by its owner alone.
        tag: of the project's image.
        more: lines that override the rest.
    """
    own = ROOT / ".env"
    known = own if own.exists() else ROOT / ".env.example"
    lines = (line.strip() for line in known.read_text(encoding="utf-8").splitlines())
    values = dict(line.split("=", 1) for line in lines if "=" in line and line[0] != "#")
    secret = (
        "POSTGRES_PASSWORD",
        "AIRFLOW_DB_PASSWORD",
        "MLFLOW_DB_PASSWORD",
        "LEDGER_DB_PASSWORD",
        "SERVING_DB_PASSWORD",
        "REDIS_PASSWORD",
        "S3_SECRET_KEY",
        "AIRFLOW_ADMIN_PASSWORD",
        "AIRFLOW_JWT_SECRET",
    )
    names = ("MLFLOW_PORT", "AIRFLOW_PORT", "SERVING_PORT")
    ports = dict(zip(names, free_ports(len(names)), strict=True))
    values |= {name: secrets.token_hex(32) for name in secret} | ports
    values |= {"GAUNTLET_TAG": tag, **more}
    path.touch(mode=0o600)
    path.write_text("".join(f"{k}={v}\n" for k, v in values.items()), encoding="utf-8")
    return values


def services(*profiles: str) -> set[str]:
    """The services that belong to no profile, or to one of these.

    Read from the file, because Compose 1.29 also lists the services of profiles not requested.
    """
    declared = yaml.safe_load(FILE.read_text(encoding="utf-8"))["services"]
    return {
        name
        for name, one in declared.items()
        if not one.get("profiles") or set(one["profiles"]) & set(profiles)
    }


def free_ports(number: int) -> list[str]:
    """Ports of loopback that are free at this moment."""
    held = [socket.create_server(("127.0.0.1", 0)) for _ in range(number)]
    ports = [str(one.getsockname()[1]) for one in held]
    for one in held:
        one.close()
    return ports


@dataclass(frozen=True)
class Stack:
    """One project of Compose.

    Arguments:
        engine: where it runs.
        command: Compose's command.
        project: its name; everything that it makes is labelled with it.
        values: values of its .env.
        env_file: that file.
    """

    engine: Engine
    command: list[str]
    project: str
    values: dict[str, str]
    env_file: Path

    def compose(self, *arguments: str, shown: bool = False) -> str:
        """The output of a Compose command about this project, with the services of all profiles."""
        place = [f"--project-name={self.project}", f"--project-directory={ROOT}", f"--file={FILE}"]
        place += [f"--profile={SERVING}"]
        # What our shell exports would win over the file.
        env = {k: v for k, v in self.engine.environment.items() if k not in self.values}
        command = [*self.command, *place, f"--env-file={self.env_file}", *arguments]
        return run(command, env={**env, "COMPOSE_ANSI": "never"}, shown=shown)

    def containers(self) -> list[dict[str, Any]]:
        """The engine's data about each container of the project."""
        label = f"label=com.docker.compose.project={self.project}"
        ids = self.engine.docker("ps", "--all", "--quiet", f"--filter={label}").split()
        return list(json.loads(self.engine.docker("inspect", *ids))) if ids else []

    def up(self, *profiles: str) -> None:
        """Start the services of no profile, and those of these."""
        self.compose("up", "--detach", "--no-build", *sorted(services(*profiles)))

    def wait_until_healthy(self, *profiles: str) -> dict[str, float]:
        """Wait until every requested service is healthy; returns the seconds of each.

        Raises:
            BlockedError: a container ended, or one is not healthy in time.
        """
        wanted = services(*profiles)
        begun, ready_after = time.monotonic(), dict[str, float]()
        while True:
            states = {_service(one): _state(one) for one in self.containers()}
            waited = time.monotonic() - begun
            for name, state in states.items():
                if state in {"healthy", "done"} and name not in ready_after:
                    ready_after[name] = waited
                    say(f"  {name}: {state} after {waited:.0f} s")
            bad = [name for name, state in states.items() if state.startswith("ended")]
            if set(ready_after) == wanted and all(
                s in {"healthy", "done"} for s in states.values()
            ):
                return ready_after
            if bad or waited > HEALTHY_S:
                late = bad or sorted(wanted - set(ready_after))
                raise BlockedError(f"not healthy: {states}\n{self.logs(*late)}")
            time.sleep(1)

    def logs(self, *services: str) -> str:
        """The last lines that services wrote."""
        return self.compose("logs", "--no-color", "--tail=60", *services)

    def inside(self, service: str, *arguments: str) -> str:
        """Run this folder's ``inside.py`` in a service's container."""
        script = ("python", "deploy/compose_test/inside.py")
        return self.compose("exec", "-T", service, *script, *arguments, shown=True)

    def published(self) -> list[str]:
        """Check that both pages answer on loopback, and that every port is bound to it alone.

        Raises:
            BlockedError: a page does not answer, or a port is open to other machines.
        """
        healthy = ROOT / "deploy/healthy.py"
        pages = [
            f"http://127.0.0.1:{self.values['MLFLOW_PORT']}/health",
            f"http://127.0.0.1:{self.values['AIRFLOW_PORT']}/api/v2/monitor/health",
        ]
        for page in pages:
            run([*self.engine.enter, "python3", str(healthy), page])
        for one in self.containers():
            for bound in (one["NetworkSettings"]["Ports"] or {}).values():
                if any(place["HostIp"] != "127.0.0.1" for place in bound or ()):
                    raise BlockedError(f"{_service(one)} listens beyond loopback: {bound}")
        return pages

    def stop(self) -> None:
        """Stop every service.

        Raises:
            BlockedError: one had to be killed, or ended with an error.
        """
        self.compose("stop")
        codes = {_service(one): one["State"]["ExitCode"] for one in self.containers()}
        if bad := {name: code for name, code in codes.items() if code not in ENDED}:
            raise BlockedError(f"did not end well: {bad}\n{self.logs(*bad)}")

    def down(self) -> None:
        """Remove the project with its volumes and networks.

        Raises:
            BlockedError: something is left.
        """
        self.compose("down", "--volumes", "--remove-orphans", "--timeout=20")
        label = f"--filter=label=com.docker.compose.project={self.project}"
        left = {
            kind: found
            for kind, command in {
                "containers": ("ps", "--all"),
                "volumes": ("volume", "ls"),
                "networks": ("network", "ls"),
            }.items()
            if (found := self.engine.docker(*command, "--quiet", label).split())
        }
        if left:
            raise BlockedError(f"left behind by Compose: {left}")


def project_name() -> str:
    """A name that no other project has."""
    return f"gauntlet_compose_test_{os.getpid()}"


def _service(container: Mapping[str, Any]) -> str:
    return str(container["Config"]["Labels"]["com.docker.compose.service"])


def _state(container: Mapping[str, Any]) -> str:
    """``healthy``, ``done``, ``ended ...``, or what else Docker calls it."""
    state = container["State"]
    if state["Status"] == "exited":
        done = state["ExitCode"] == 0 and _service(container) in ONCE
        return "done" if done else f"ended with {state['ExitCode']}"
    if container["RestartCount"]:
        return f"ended and restarted {container['RestartCount']} times"
    return str(state.get("Health", {}).get("Status", state["Status"]))
