"""Errors of the command line, and a home with three days of events."""

from __future__ import annotations

import shutil
from datetime import timedelta
from pathlib import Path
from typing import Any

from tests.support.pharmacy import FIRST, Answer, Pharmacy, write_days


def write_three_days(folder: Path) -> Path:
    """A store in ``folder`` with three days of events before ``FIRST``: too few to learn from."""
    write_days(folder / "store", FIRST - timedelta(days=3), FIRST)
    return folder / "store"


def new_pharmacy(store: Path, folder: Path) -> Pharmacy:
    """A new home in ``folder`` with a copy of the store of its own."""
    shutil.copytree(store, folder / "store")
    pharmacy = Pharmacy(folder / "home", str(folder / "store"))
    pharmacy.declare()
    return pharmacy


def refused(answer: Answer, code: int, error: str, **parts: str) -> dict[str, Any]:
    """The error's JSON, after its exit code and name, and words of its parts."""
    assert answer.code == code, (answer.out, answer.err)
    found = answer.body
    assert (found["kind"], found["error"], found["exit_code"]) == ("error", error, code)
    assert found["what"]
    for part, words in parts.items():
        assert words in found.get(part, ""), f"{part}: {found.get(part)!r}"
    return found


def untouched(pharmacy: Pharmacy) -> None:
    """No version, no decision, nothing half-written."""
    assert pharmacy.cli("ledger", "demand", "--json").body["entries"] == []
    assert pharmacy.cli("champion", "demand", "--json").body["version"] is None
    assert pharmacy.half_written() == []


def newest(pharmacy: Pharmacy, stream: str = "dispensing") -> Path:
    """The newest object of a stream that a run as of ``FIRST`` reads, under a foreign name.

    Names that `gauntlet import` gives hold a hash of the rows, which a test that changes the
    object would not meet.
    """
    before = f"dt={FIRST:%Y-%m-%d}"
    objects = (Path(pharmacy.store) / stream).glob("dt=*/*.parquet")
    path = max((path for path in objects if path.parent.name < before), key=str)
    return path.rename(path.with_name("foreign.parquet"))
