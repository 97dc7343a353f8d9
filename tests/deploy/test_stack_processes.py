"""Starting and stopping the local stack's processes: whole, once, and never foreign ones."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import psutil
import pytest

ROOT = Path(__file__).resolve().parents[2]
# A parent that ignores the polite signal, with a child in the same session: the shape of an
# Airflow scheduler that hangs over its workers.
STUBBORN = """
import signal, subprocess, sys, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
print(child.pid, flush=True)
time.sleep(60)
"""


@pytest.fixture
def deploy(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """``deploy/processes.py``; its folder is on the path, as for a script in it."""
    monkeypatch.syspath_prepend(str(ROOT / "deploy"))
    import processes

    return processes


@pytest.fixture
def make(deploy: ModuleType, tmp_path: Path) -> Iterator[Any]:
    """Makes processes that are gone when the test is over."""
    made = []

    def build(*arguments: str, name: str = "sleeper", **more: Any) -> Any:
        command = [sys.executable, *arguments]
        process = deploy.Process(
            name, command, tmp_path / "state", tmp_path / "logs", env=dict(os.environ), **more
        )
        made.append(process)
        return process

    yield build
    deploy.stop(made, grace_s=0.2)


def test_a_process_starts_once_and_stops(deploy: ModuleType, make: Any) -> None:
    process = make("-c", "import time; time.sleep(60)")
    assert process.running() is None
    assert process.start() is True
    pid = process.running().pid
    assert process.start() is False, "a second start made a second process"
    assert process.running().pid == pid
    assert deploy.stop([process]) == ["sleeper"]
    assert not psutil.pid_exists(pid)
    assert not process.pid_file.exists()
    assert deploy.stop([process]) == [], "stopping what is stopped is not an error"


def test_it_leads_a_session_so_that_the_terminals_signals_do_not_reach_it(make: Any) -> None:
    process = make("-c", "import time; time.sleep(60)")
    process.start()
    pid = process.running().pid
    assert os.getsid(pid) == pid


def test_what_ignores_the_polite_signal_is_killed_with_its_children(
    deploy: ModuleType, make: Any
) -> None:
    process = make("-c", STUBBORN)
    process.start()
    process.wait_until(lambda: bool(process.log.read_text().strip()), 600)
    child = int(process.log.read_text())
    deploy.stop([process], grace_s=0.5)
    assert process.running() is None
    assert not psutil.pid_exists(child) or psutil.Process(child).status() == "zombie"


def test_what_a_killed_leader_left_behind_is_stopped_even_after_a_new_start(
    deploy: ModuleType, make: Any
) -> None:
    process = make("-c", STUBBORN)
    process.start()
    process.wait_until(lambda: bool(process.log.read_text().strip()), 600)
    child = int(process.log.read_text())
    leader = process.running()
    leader.kill()
    leader.wait(600)
    assert process.running() is None
    assert psutil.pid_exists(child)
    assert process.start() is True
    deploy.stop([process], grace_s=0.2)
    assert process.members() == []
    assert not psutil.pid_exists(child) or psutil.Process(child).status() == "zombie"


def test_a_stale_pid_file_neither_blocks_a_start_nor_kills_a_stranger(
    deploy: ModuleType, make: Any
) -> None:
    stranger = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
    try:
        process = make("-c", "import time; time.sleep(60)")
        process.state.mkdir()
        started = psutil.Process(stranger.pid).create_time() - 3600
        note = [{"pid": stranger.pid, "started": started}]
        process.pid_file.write_text(json.dumps(note))
        assert process.running() is None, "a pid that was given to another program counts"
        assert deploy.stop([process]) == []
        assert stranger.poll() is None, "`down` killed a process that it had not started"
        process.pid_file.write_text("torn")
        assert process.start() is True
    finally:
        stranger.send_signal(signal.SIGKILL)
        stranger.wait()


def test_a_taken_port_is_named_with_the_setting_that_moves_it(
    deploy: ModuleType, make: Any
) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        process = make("-c", "pass", port=port, port_setting="GAUNTLET_MLFLOW_PORT")
        with pytest.raises(deploy.StackError, match=f"port {port} .*") as failure:
            process.start()
    assert f"GAUNTLET_MLFLOW_PORT={port + 1} make up" in str(failure.value)


def test_a_process_that_ends_is_reported_with_the_end_of_its_log(
    deploy: ModuleType, make: Any
) -> None:
    process = make("-c", "print('no such table: dag_run'); raise SystemExit(3)")
    process.start()
    with pytest.raises(deploy.StackError, match="no such table: dag_run"):
        process.wait_until(lambda: False, 24 * 3600)  # longer than the limit of a test


@pytest.mark.parametrize("text", ["http", "0", "70000", "-1"])
def test_a_port_setting_that_is_no_port_is_refused_by_name(
    deploy: ModuleType, monkeypatch: pytest.MonkeyPatch, text: str
) -> None:
    import layout

    monkeypatch.setenv("GAUNTLET_AIRFLOW_PORT", text)
    with pytest.raises(deploy.StackError, match="GAUNTLET_AIRFLOW_PORT is no port"):
        layout.port("GAUNTLET_AIRFLOW_PORT", 8080)


def test_every_address_of_the_stack_is_loopback_and_every_path_absolute(
    deploy: ModuleType, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    import layout

    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("GAUNTLET_HOME", "own")
    for setting in ("GAUNTLET_MODELS", "GAUNTLET_MLFLOW_URI", "GAUNTLET_STORE"):
        monkeypatch.delenv(setting, raising=False)
    environment = layout.Stack.from_environment().environment
    for key in ("HOME", "MODELS", "EXPECTATIONS", "STORE"):
        assert Path(environment[f"GAUNTLET_{key}"]).is_absolute(), f"GAUNTLET_{key} is relative"
    for key in ("AIRFLOW__API__BASE_URL", "AIRFLOW__CORE__EXECUTION_API_SERVER_URL"):
        assert environment[key].startswith("http://127.0.0.1:"), key
    assert environment["AIRFLOW__API__HOST"] == "127.0.0.1"
    for secret in ("jwt_secret", "passwords.json"):
        mode = (tmp_path / "own" / "stack" / secret).stat().st_mode & 0o777
        assert mode == 0o600, f"others may read {secret}: {mode:o}"


def test_a_server_that_the_settings_name_is_used_and_not_started(
    deploy: ModuleType, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    import layout

    monkeypatch.setenv("GAUNTLET_HOME", str(tmp_path))
    monkeypatch.setenv("GAUNTLET_MLFLOW_URI", "https://mlflow.example")
    stack = layout.Stack.from_environment()
    assert not stack.own_mlflow
    assert stack.environment["GAUNTLET_MLFLOW_URI"] == "https://mlflow.example"
