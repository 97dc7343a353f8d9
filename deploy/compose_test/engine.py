"""A Docker engine to test on: the one that runs here, or a private one that leaves nothing.

The private one needs root. It runs in a network namespace of its own, so that its bridges and
firewall rules touch nothing of this machine; only images are built with this machine's network.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from talk import BlockedError, run, say

ROOM_GB = 8
READY_S = 60.0
# Program: the Debian package that has it.
PRIVATE = {
    "docker": "docker.io",
    "dockerd": "docker.io",
    "docker-compose": "docker-compose",
    "debootstrap": "debootstrap",
    "iptables": "iptables",
    "ip": "iproute2",
    "mount": "mount",
    "nsenter": "util-linux",
    "setpriv": "util-linux",
    "unshare": "util-linux",
}
# Run in namespaces of the daemon's own. What it and its helpers keep beside their folders (a key, a
# socket) goes to a layer over these three, which vanishes with them; then the program itself.
APART = """
for place in etc opt run; do
    mkdir -p "$0/$place/new" "$0/$place/work"
done
cp --dereference /etc/resolv.conf "$0/etc/new/"
for place in etc opt run; do
    layers="lowerdir=/$place,upperdir=$0/$place/new,workdir=$0/$place/work"
    mount -t overlay overlay -o "$layers" "/$place"
done
ip link set lo up
exec "$@"
"""


@dataclass(frozen=True)
class Engine:
    """An engine that answers.

    Arguments:
        address: for ``DOCKER_HOST``; empty: the client's default.
        enter: a prefix for commands that are to see the ports it publishes.
    """

    address: str = ""
    enter: tuple[str, ...] = ()

    @property
    def environment(self) -> dict[str, str]:
        """The environment for ``docker`` and Compose."""
        more = {"DOCKER_HOST": self.address} if self.address else {}
        return {**os.environ, **more}

    def docker(self, *arguments: str) -> str:
        """The output of a docker command."""
        return run(["docker", *arguments], env=self.environment)

    def compose(self) -> list[str]:
        """Compose's command: version 2 where there is one, else Debian's 1.29.

        Raises:
            BlockedError: there is neither.
        """
        with contextlib.suppress(BlockedError):
            self.docker("compose", "version")
            return ["docker", "compose"]
        if shutil.which("docker-compose"):
            return ["docker-compose"]
        raise BlockedError(
            "Docker Compose is not installed\n"
            "  do:     apt-get install docker-compose  (or Docker's own docker-compose-plugin)"
        )


def running_engine() -> Engine | None:
    """The running engine of this machine; None without one."""
    with contextlib.suppress(BlockedError, FileNotFoundError):
        run(["docker", "info"])
        return Engine()
    return None


def check_private(folder: Path) -> None:
    """Check that a private engine can be started.

    Raises:
        BlockedError: it cannot; the message names what is missing.
    """
    why = "no Docker engine answers (`docker info`), and a private one cannot be started:"
    if not sys.platform.startswith("linux") or os.geteuid() != 0:
        raise BlockedError(f"{why} that needs Linux and root\n  do:     start Docker, or use sudo")
    missing = [program for program in PRIVATE if shutil.which(program) is None]
    if missing:
        packages = " ".join(sorted({PRIVATE[program] for program in missing}))
        raise BlockedError(
            f"{why} {', '.join(missing)} not found\n"
            f"  do:     apt-get install --no-install-recommends {packages}   (Debian's names)\n"
            f"  or:     start a Docker engine that can pull images"
        )
    free_gb = shutil.disk_usage(folder).free / 1e9
    if free_gb < ROOM_GB:
        raise BlockedError(f"{why} {folder} has {free_gb:.1f} GB left, wanted {ROOM_GB}")


@contextmanager
def building_engine(folder: Path) -> Iterator[Engine]:
    """A private engine whose builds use this machine's network, and which touches none of it."""
    with _daemon(folder, "--bridge=none", "--iptables=false", "--ip-forward=false") as engine:
        yield engine


@contextmanager
def isolated_engine(folder: Path) -> Iterator[Engine]:
    """A private engine in its own network namespace, with the images built before."""
    with _daemon(folder, alone=True) as engine:
        yield engine


@contextmanager
def _daemon(folder: Path, *options: str, alone: bool = False) -> Iterator[Engine]:
    """A daemon that ends with the block, and with this process should that be killed.

    Its namespaces have no name: what it mounts and the network it makes end with it.
    """
    state = folder / "run"
    shutil.rmtree(state, ignore_errors=True)
    state.mkdir(mode=0o700)
    (state / "daemon.json").write_text("{}", encoding="utf-8")  # not the one of this machine
    address, groups = f"unix://{state}/docker.sock", f"gauntlet-compose-test-{os.getpid()}"
    command = [
        *("setpriv", "--pdeathsig", "TERM", "unshare", "--mount", *(["--net"] if alone else [])),
        *("sh", "-ec", APART, f"{state}/apart"),
        *("dockerd", f"--data-root={folder}/images", f"--exec-root={state}/exec"),
        *(f"--host={address}", f"--pidfile={state}/pid", f"--config-file={state}/daemon.json"),
        *(f"--cgroup-parent=/{groups}", *options),
    ]
    log = folder / "dockerd.log"
    with log.open("wb") as out:
        daemon = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=out, stderr=out, start_new_session=True
        )
    try:
        engine = Engine(address, ("nsenter", f"--target={daemon.pid}", "--net") if alone else ())
        _wait(daemon, engine, log)
        yield engine
    finally:
        daemon.terminate()
        try:
            daemon.wait(timeout=60)
        except subprocess.TimeoutExpired:
            daemon.kill()
            daemon.wait()
            say("the engine did not end when asked and was killed")
        _remove_groups(groups)


def _wait(daemon: subprocess.Popen[bytes], engine: Engine, log: Path) -> None:
    until = time.monotonic() + READY_S
    while True:
        with contextlib.suppress(BlockedError):
            engine.docker("version")
            return
        if daemon.poll() is not None or time.monotonic() > until:
            tail = "\n".join(log.read_text(errors="replace").splitlines()[-20:])
            raise BlockedError(f"the Docker engine did not start; the end of its log:\n{tail}")
        time.sleep(0.25)


def _remove_groups(name: str) -> None:
    """Control groups outlive their containers; an empty one is removed as a folder is."""
    groups = Path("/sys/fs/cgroup")
    for top in [*groups.glob(name), *groups.glob(f"*/{name}")]:
        for group in [*sorted(top.rglob("*/"), reverse=True), top]:
            with contextlib.suppress(OSError):
                group.rmdir()
