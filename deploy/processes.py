"""Processes of the local stack: start in the background, find again, stop with all children.

Written by hand because honcho and its like stay in the foreground: they cannot find a running
stack again (``make status``, ``make down``), wait until a server is ready, run one program under
another account, or stop PostgreSQL with its own signal after its clients.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

import psutil

from pipelines.core.files import write_bytes

HOST = "127.0.0.1"
GRACE_S = 8.0
KILLED_S = 60.0  # for the end of a process that was killed: a busy machine takes its time


class StackError(Exception):
    """A problem that prevents the stack from running, described so that a user can fix it."""


@dataclass(frozen=True)
class Session:
    """A program that was started as the leader of a session, and everything in that session.

    Arguments:
        pid: of the leader; also the number of the session and of its first process group.
        started: when the leader was started, in seconds since 1970.
    """

    pid: int
    started: float

    def leader(self) -> psutil.Process | None:
        """The live leader; None when it ended, or when its pid now belongs to another program."""
        try:
            process = psutil.Process(self.pid)
            same = abs(process.create_time() - self.started) < 1
        except psutil.Error:
            return None
        return process if same and process.status() != psutil.STATUS_ZOMBIE else None

    def members(self) -> list[psutil.Process]:
        """The live processes of the session, and the leader's children in sessions of their own.

        While a session has a member, the system gives its number to no other process.
        """
        leader = self.leader()
        if leader is None and self._taken():
            return []
        found: dict[int, psutil.Process] = {}
        for process in psutil.process_iter():
            with contextlib.suppress(psutil.Error, OSError):
                own = (
                    os.getsid(process.pid) == self.pid and process.create_time() > self.started - 1
                )
                if own and process.status() != psutil.STATUS_ZOMBIE:
                    found[process.pid] = process
        if leader is not None:
            with contextlib.suppress(psutil.Error):
                found |= {child.pid: child for child in leader.children(recursive=True)}
        return list(found.values())

    def _taken(self) -> bool:
        """Whether the leader's pid now belongs to another program."""
        try:
            return bool(abs(psutil.Process(self.pid).create_time() - self.started) >= 1)
        except psutil.Error:
            return False


@dataclass(frozen=True, eq=False)
class Process:
    """One long-running program.

    Arguments:
        name: its name; also the name of its pid file and log.
        command: program and arguments.
        state: folder of pid files.
        logs: folder of logs.
        env: its whole environment.
        port: TCP port on loopback that it will hold, if any.
        port_setting: the environment variable that moves the port.
        user: the account to run under, when it is not the caller's.
        stop_signal: the signal that stops it.
    """

    name: str
    command: Sequence[str]
    state: Path
    logs: Path
    env: Mapping[str, str] = field(default_factory=dict)
    port: int | None = None
    port_setting: str = ""
    user: str | None = None
    stop_signal: signal.Signals = signal.SIGTERM

    @property
    def pid_file(self) -> Path:
        """Holds pid and start time of each leader; together they name one process of this machine.

        The last is of the newest start. Those before it were killed, and left children.
        """
        return self.state / f"{self.name}.pid"

    @property
    def log(self) -> Path:
        """Everything that the program prints."""
        return self.logs / f"{self.name}.log"

    def running(self) -> psutil.Process | None:
        """The live process, or None; a pid that now belongs to another program does not count."""
        noted = self._noted()
        return noted[-1].leader() if noted else None

    def members(self) -> list[psutil.Process]:
        """Every live process of its sessions, also of those whose leader was killed."""
        return [member for session in self._noted() for member in session.members()]

    def _noted(self) -> list[Session]:
        try:
            noted = json.loads(self.pid_file.read_text(encoding="utf-8"))
            return [Session(int(one["pid"]), float(one["started"])) for one in noted]
        except (OSError, ValueError, KeyError, TypeError):
            return []

    def start(self) -> bool:
        """Start it; False when it is running already.

        Raises:
            StackError: its port is taken, or the program is not there.
        """
        if self.running():
            return False
        if self.port is not None and port_taken(self.port):
            raise StackError(
                f"{self.name} cannot start: port {self.port} is taken by another program.\n"
                f"  do:     stop that program, or choose another port: "
                f"{self.port_setting}={self.port + 1} make up"
            )
        if shutil.which(self.command[0]) is None:
            raise StackError(f"{self.name} cannot start: {self.command[0]} is not installed")
        self.state.mkdir(parents=True, exist_ok=True)
        self.logs.mkdir(parents=True, exist_ok=True)
        with self.log.open("ab") as log:
            child = subprocess.Popen(
                self.command,
                env=dict(self.env),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                user=self.user,
                group=self.user,
                extra_groups=[] if self.user else None,
            )
        sessions = [session for session in self._noted() if session.members()]
        sessions.append(Session(child.pid, psutil.Process(child.pid).create_time()))
        write_bytes(self.pid_file, json.dumps([asdict(one) for one in sessions]).encode())
        return True

    def wait_until(self, ready: Callable[[], bool], timeout_s: float) -> float:
        """Wait until it is ready; the seconds it took.

        Raises:
            StackError: it ended, or was not ready in time; the end of its log is in the message.
        """
        begun = time.monotonic()
        while not ready():
            waited = time.monotonic() - begun
            if not self.running():
                raise StackError(f"{self.name} ended after {waited:.0f} s.\n{self.tail()}")
            if waited > timeout_s:
                raise StackError(f"{self.name} is not ready after {waited:.0f} s.\n{self.tail()}")
            time.sleep(0.25)
        return time.monotonic() - begun

    def tail(self, lines: int = 20) -> str:
        """The end of the log, with its address."""
        text = self.log.read_text(encoding="utf-8", errors="replace") if self.log.exists() else ""
        last = (f"    {line}" for line in text.splitlines()[-lines:])
        return "\n".join([f"  log:    {self.log}", *last])


def stop(processes: Sequence[Process], grace_s: float = GRACE_S) -> list[str]:
    """Stop processes together with all that they started; the names of those that were running.

    Airflow's daemons do not all end on SIGTERM, and ending only the parent orphans its
    workers; so the whole group gets the signal, has time to end, and is then killed. What a killed
    leader left behind ends as well.
    """
    families = {process: found for process in processes if (found := process.members())}
    family = [member for members in families.values() for member in members]
    for process, members in families.items():
        leader = process.running()
        for member in members if leader is None else [leader]:
            _signal_group(member, process.stop_signal)
    psutil.wait_procs(family, timeout=grace_s)
    left = [*family, *(member for process in families for member in process.members())]
    for member in left:
        with contextlib.suppress(psutil.NoSuchProcess):
            member.kill()
    end = time.monotonic() + KILLED_S
    psutil.wait_procs(left, timeout=0)
    while any(map(_is_alive, left)) and time.monotonic() < end:
        psutil.wait_procs(left, timeout=0.1)
    for process in processes:
        process.pid_file.unlink(missing_ok=True)
    return [process.name for process in families]


def _is_alive(process: psutil.Process) -> bool:
    """Whether a process has not ended; a zombie has, whenever its parent collects it."""
    try:
        return bool(process.is_running() and process.status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False


def _signal_group(process: psutil.Process, number: signal.Signals) -> None:
    with contextlib.suppress(ProcessLookupError, psutil.NoSuchProcess):
        if process.is_running():  # the pid is still this process's
            os.killpg(os.getpgid(process.pid), number)


def port_taken(port: int) -> bool:
    """Whether a server could not listen on this port of loopback."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError:
            return True
    return False
