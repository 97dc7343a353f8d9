"""Names of locks, and how an error shows them."""

from __future__ import annotations

import math
import threading
from contextlib import AbstractContextManager, ExitStack
from pathlib import Path

import pytest

from pipelines.adapters.lock.file import FileLock
from pipelines.core.errors import LockedError
from pipelines.core.names import LINEAGE
from pipelines.core.time import FixedClock, parse_instant
from pipelines.release.lock import OtherLock, in_turn, this_process

CLOCK = FixedClock(parse_instant("2026-01-05"))


@pytest.mark.parametrize("other", OtherLock)
def test_no_lineage_has_the_name_of_another_lock(other: OtherLock, tmp_path: Path) -> None:
    def lock(model: str, lineage: str) -> AbstractContextManager[object]:
        return locks.hold(model, lineage, "run 1")

    locks = FileLock(tmp_path, CLOCK)
    with pytest.raises(ValueError, match="a name consists of"):
        LINEAGE.check(other)
    with lock("demand", other.removeprefix(":")), in_turn(lock, "demand", other, wait_s=0):
        pass


def test_an_error_names_the_lock(tmp_path: Path) -> None:
    locks = FileLock(tmp_path, CLOCK)
    for name, shown in (("report", "demand, lineage report"), (OtherLock.REPORT, "demand, report")):
        with locks.hold("demand", name, "run 1"), pytest.raises(LockedError) as found:
            locks.hold("demand", name, "run 2").__enter__()
        assert found.value.where == shown


def test_a_wait_names_the_holder_once_and_goes_on_when_it_has_ended(tmp_path: Path) -> None:
    def lock(model: str, lineage: str) -> AbstractContextManager[object]:
        return FileLock(tmp_path, CLOCK).hold(model, lineage, "run 2")

    named: list[str] = []
    with ExitStack() as first:
        first.enter_context(FileLock(tmp_path, CLOCK).hold("demand", "live", "run 1"))

        def waiting(busy: LockedError) -> None:
            named.append(busy.got)
            threading.Timer(0.3, first.close).start()

        with in_turn(lock, "demand", "live", math.inf, waiting):
            pass
    assert named == ["held by run 1 since 2026-01-05T00:00:00Z"]


@pytest.mark.parametrize(
    ("words", "shown"),
    [
        (["/usr/bin/gauntlet", "mark-broken", "demand"], "gauntlet mark-broken (process "),
        (["/usr/bin/airflow", "scheduler"], "airflow scheduler (process "),
        (["/lib/kernel.py", "-f", "secret"], "kernel.py (process "),
        ([""], "Python (process "),
    ],
)
def test_a_holder_is_known_by_its_command(
    words: list[str], shown: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.argv", words)
    assert this_process().startswith(shown)
