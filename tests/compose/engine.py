"""A Docker engine, and the commands that are sent to it."""

from __future__ import annotations

import contextlib
import os
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).parents[2]


@contextlib.contextmanager
def step(name: str) -> Iterator[None]:
    """Print the duration of a step."""
    print(f"{name} ...", flush=True)
    start = time.monotonic()
    yield
    print(f"{name}: {time.monotonic() - start:.0f} s", flush=True)


def run(
    command: Sequence[str], env: Mapping[str, str] | None = None, stdin: str | None = None
) -> str:
    """The standard output of a command.

    Raises:
        SystemExit: it failed; the message ends with its last lines.
    """
    done = subprocess.run(
        command,
        check=False,
        env=env,
        text=True,
        errors="replace",
        input=stdin or "",
        capture_output=True,
    )
    if done.returncode:
        lines = f"{done.stdout}\n{done.stderr}".splitlines()[-40:]
        raise SystemExit("\n".join([f"`{' '.join(command)}`: exit {done.returncode}", *lines]))
    return done.stdout


@dataclass(frozen=True)
class Engine:
    """A running engine.

    Arguments:
        address: value of DOCKER_HOST; empty for the client's default.
        enter: prefix of commands that use the ports it publishes.
        images: settings of .env that replace the images of a registry.
    """

    address: str = ""
    enter: tuple[str, ...] = ()
    images: Mapping[str, str] = field(default_factory=dict)

    @property
    def environment(self) -> dict[str, str]:
        """The environment of docker and Compose."""
        return os.environ | ({"DOCKER_HOST": self.address} if self.address else {})

    def docker(self, *arguments: str, stdin: str | None = None) -> str:
        """The output of a docker command."""
        return run(["docker", *arguments], self.environment, stdin)


def running_engine() -> Engine | None:
    """The engine that runs on this machine; None without one."""
    with contextlib.suppress(SystemExit, FileNotFoundError):
        run(["docker", "info"])
        return Engine()
    return None
