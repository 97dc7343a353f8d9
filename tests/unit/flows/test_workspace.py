"""A run's files: each is the one that was written, or the run stops with its name."""

from __future__ import annotations

import os
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest

from pipelines.core.errors import IntegrityError
from pipelines.core.records import Record
from pipelines.flows.workspace import WRITTEN, Workspace

STEPS = ("first", "second", "third")


class Numbered(Record):
    number: int


def run_steps(folder: Path) -> tuple[list[str], list[int]]:
    """The steps that were made, not read, and the number in each record."""
    workspace, made = Workspace.open_locked(folder), list[str]()

    def make(name: str) -> Numbered:
        made.append(name)
        workspace.write(f"{name}.parquet", lambda draft: draft.write_text(name))
        return Numbered(number=len(name))

    records = [workspace.once(name, Numbered, partial(make, name)) for name in STEPS]
    return made, [record.number for record in records]


def test_steps_are_read_again(tmp_path: Path) -> None:
    assert run_steps(tmp_path / "run") == (list(STEPS), [5, 6, 5])
    assert run_steps(tmp_path / "run") == ([], [5, 6, 5])


@pytest.mark.parametrize(
    "name", ["first.json", "second.parquet", "second.json", "third.json", WRITTEN]
)
@pytest.mark.parametrize(
    "change",
    [
        lambda path: path.write_bytes(path.read_bytes()[:-3] + b"0" + path.read_bytes()[-2:]),
        lambda path: path.write_bytes(path.read_bytes() + b" "),
        lambda path: path.write_bytes(b""),
    ],
    ids=["edited", "longer", "empty"],
)
def test_a_changed_file_stops_the_run_and_is_named(
    tmp_path: Path, name: str, change: Callable[[Path], object]
) -> None:
    run_steps(tmp_path)
    change(tmp_path / name)
    with pytest.raises(IntegrityError, match="not the one that was written") as caught:
        run_steps(tmp_path)
    assert caught.value.where.endswith(name)
    assert "remove the file" in caught.value.hint


def test_a_record_of_another_run_is_not_read(tmp_path: Path) -> None:
    run_steps(tmp_path)
    (tmp_path / "second.json").write_bytes((tmp_path / "first.json").read_bytes())
    with pytest.raises(IntegrityError, match=r"second\.json"):
        run_steps(tmp_path)


@pytest.mark.parametrize(
    ("name", "repeated"),
    [
        ("first.json", STEPS),
        ("second.json", STEPS[1:]),
        ("second.parquet", STEPS[1:]),
        ("third.json", STEPS[2:]),
        (WRITTEN, STEPS),
    ],
)
def test_a_removed_file_repeats_its_step_and_all_later_ones(
    tmp_path: Path, name: str, repeated: tuple[str, ...]
) -> None:
    run_steps(tmp_path)
    (tmp_path / name).unlink()
    assert run_steps(tmp_path) == (list(repeated), [5, 6, 5])
    assert run_steps(tmp_path) == ([], [5, 6, 5])


def test_a_file_that_a_killed_process_did_not_list_is_written_again(tmp_path: Path) -> None:
    run_steps(tmp_path)
    listed = (tmp_path / WRITTEN).read_bytes()
    (tmp_path / "third.json").unlink()
    Workspace.open_locked(tmp_path).write("third.parquet", lambda draft: draft.write_text("other"))
    os.truncate(tmp_path / WRITTEN, 0)
    (tmp_path / WRITTEN).write_bytes(listed)
    (tmp_path / "third.parquet").unlink()
    assert run_steps(tmp_path) == (["third"], [5, 6, 5])
