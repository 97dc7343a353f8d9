"""Names of locks, and how an error shows them."""

from __future__ import annotations

from contextlib import AbstractContextManager
from pathlib import Path

import pytest

from pipelines.adapters.lock.file import FileLock
from pipelines.core.errors import LockedError
from pipelines.core.names import LINEAGE
from pipelines.core.time import FixedClock, parse_instant
from pipelines.release.lock import OtherLock, in_turn

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
