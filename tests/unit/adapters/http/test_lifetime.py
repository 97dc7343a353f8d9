"""Workers end with the first process, also while they start, and free the port."""

from __future__ import annotations

import subprocess
import sys

import psutil
import pytest

from pipelines.adapters.http.address import checked_host, listening_socket
from pipelines.core.errors import SpecError
from tests.support.pharmacy import ROOT
from tests.support.servers import free_port


def test_starting_workers_of_a_killed_service_free_the_port() -> None:
    port = free_port()
    command = [sys.executable, "-m", "tests.support.services.starting", str(port)]
    first = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE)
    workers: list[psutil.Process] = []
    try:
        with first.stdout or pytest.fail("no output") as output:
            assert [output.readline() for _ in range(2)] == [b"starting\n"] * 2
            workers = psutil.Process(first.pid).children(recursive=True)
            first.kill()
            first.wait()
        listening_socket("127.0.0.1", port).close()
        assert not psutil.wait_procs(workers, timeout=30)[1]
    finally:
        first.kill()
        first.wait()
        for worker in workers:
            if worker.is_running():
                worker.kill()


@pytest.mark.parametrize("host", ["", " "])
def test_an_empty_host_is_refused(host: str) -> None:
    with pytest.raises(SpecError, match="empty"):
        checked_host(host, has_tokens=True, without_tokens=True)


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.0.2.7"])
def test_beyond_loopback_callers_need_a_token_unless_the_operator_allows_it(host: str) -> None:
    with pytest.raises(SpecError, match="without a token"):
        checked_host(host, has_tokens=False, without_tokens=False)
    assert checked_host(host, has_tokens=True, without_tokens=False) == host
    assert checked_host(host, has_tokens=False, without_tokens=True) == host


@pytest.mark.parametrize("host", ["127.0.0.1", "127.8.8.8", "::1", "localhost"])
def test_loopback_needs_no_token(host: str) -> None:
    assert checked_host(host, has_tokens=False, without_tokens=False) == host


@pytest.mark.parametrize("host", ["no such host", "a" * 300, "h\x00st", "\ud800"])
def test_an_unknown_host_is_refused_by_name(host: str) -> None:
    with pytest.raises(SpecError, match="--host"):
        checked_host(host, has_tokens=False, without_tokens=False)
