"""A run's files: each is the one that was written, or the run stops with its name."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest

from pipelines.adapters.objects.local import LocalStore
from pipelines.core.errors import IntegrityError, Unavailable
from pipelines.core.formats import seal
from pipelines.core.records import Record
from pipelines.data.objects import StoredObject
from pipelines.flows.workspace import WRITTEN, RunFolders, Workspace

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


# Several machines


def shared_steps(folder: Path, store: LocalStore, stop_before: str = "") -> list[str]:
    """As ``run_steps``, with a shared copy and a folder of files; the steps that were made.

    Arguments:
        stop_before: the place at which the process is killed.
    """

    class Killed(LocalStore):
        def write(self, key: str, content: Path | bytes, *, if_absent: bool = True) -> StoredObject:
            if key.rsplit("/", maxsplit=1)[-1].startswith(stop_before):
                raise InterruptedError(key)
            return super().write(key, content, if_absent=if_absent)

    opened = Killed(store.folder) if stop_before else store
    workspace, made = RunFolders(folder, lambda: opened).open_locked("sales", "1.none"), list[str]()

    def make(name: str) -> Numbered:
        made.append(name)
        workspace.write(f"{name}.txt", lambda draft: draft.write_text(name))
        inner = workspace.path(name) / "inner"
        inner.mkdir(parents=True, exist_ok=True)
        (inner / "model.txt").write_text(name)
        workspace.add_folder(name)
        return Numbered(number=len(name))

    for name in STEPS:
        record = workspace.once(name, Numbered, partial(make, name))
        assert record.number == len(name)
        assert (workspace.path(name) / "inner" / "model.txt").read_text() == name
    return made


@pytest.fixture
def store(tmp_path: Path) -> LocalStore:
    return LocalStore(tmp_path / "store")


def test_another_machine_reads_all_files(tmp_path: Path, store: LocalStore) -> None:
    assert shared_steps(tmp_path / "a", store)
    assert shared_steps(tmp_path / "b", store) == shared_steps(tmp_path / "a", store)
    here, there = (
        {
            path.relative_to(folder).as_posix(): (path.read_bytes(), path.stat().st_mtime_ns)
            for path in folder.rglob("*")
            if path.is_file()
        }
        for folder in (tmp_path / "a", tmp_path / "b")
    )
    assert here.keys() == there.keys()
    assert all(here[name][0] == there[name][0] for name in here)
    [started] = [name for name in here if name.endswith("/started")]
    assert here[started][1] // 1000 == there[started][1] // 1000


@pytest.mark.parametrize("place", ["first.txt", "model.txt", "third.json", WRITTEN])
def test_another_machine_goes_on_where_one_was_killed(
    tmp_path: Path, store: LocalStore, place: str
) -> None:
    with pytest.raises(InterruptedError):
        shared_steps(tmp_path / "killed", store, place)
    rest = shared_steps(tmp_path / "b", store)
    assert rest == (["third"] if place == "third.json" else list(STEPS))
    assert shared_steps(tmp_path / "killed", store) == []
    assert shared_steps(tmp_path / "c", store) == []


def test_a_file_that_differs_here_is_fetched_again(tmp_path: Path, store: LocalStore) -> None:
    shared_steps(tmp_path / "a", store)
    for path in (tmp_path / "a").rglob("*"):
        if path.is_file() and path.name != "started":
            path.write_text("other")
    assert shared_steps(tmp_path / "a", store) == []


def test_a_changed_object_stops_the_run_and_is_named(tmp_path: Path, store: LocalStore) -> None:
    shared_steps(tmp_path / "a", store)
    [path] = store.folder.rglob("second.json.*")
    path.write_text("{}")
    with pytest.raises(IntegrityError, match="not the one that was written") as caught:
        shared_steps(tmp_path / "b", store)
    assert caught.value.where == str(path)
    path.unlink()
    assert shared_steps(tmp_path / "b", store) == ["second", "third"]


def test_a_changed_list_stops_the_run_and_is_named(tmp_path: Path, store: LocalStore) -> None:
    shared_steps(tmp_path / "a", store)
    [path] = store.folder.rglob(WRITTEN)
    path.write_text("{}")
    with pytest.raises(IntegrityError, match="not the one that was written") as caught:
        shared_steps(tmp_path / "a", store)
    assert caught.value.where == str(path)
    path.unlink()
    assert shared_steps(tmp_path / "a", store) == list(STEPS)


@pytest.mark.parametrize("name", ["../outside", "inner/../../outside", "/outside", ""])
def test_no_file_outside_of_the_folder_is_fetched(
    tmp_path: Path, store: LocalStore, name: str
) -> None:
    sha256 = hashlib.sha256(b"x").hexdigest()
    listed = {"schema": 1, "files": [{"name": name, "sha256": sha256}]}
    store.write(f"runs/sales/1.none/{WRITTEN}", seal(json.dumps(listed)))
    with pytest.raises(IntegrityError, match="not the name of a file of a run"):
        RunFolders(tmp_path / "b", lambda: store).open_locked("sales", "1.none")


def test_files_of_runs_are_removed_everywhere(tmp_path: Path, store: LocalStore) -> None:
    runs = RunFolders(tmp_path / "a", lambda: store)
    for run in ("1.none", "1.none2", "2.1"):
        runs.open_locked("sales", run).write("x", lambda draft: draft.write_text("x"))
    runs.remove("sales", ["1.none", "2.1", "3.1"])
    assert {one.key.split("/")[2] for one in store.list("")} == {"1.none2"}
    assert [path.name for path in (tmp_path / "a" / "sales").iterdir()] == ["1.none2"]


def test_a_run_that_cannot_be_removed_is_named_after_the_others_were_removed(
    tmp_path: Path, store: LocalStore
) -> None:
    runs = RunFolders(tmp_path / "a", lambda: store)
    for run in ("1.none", "2.1"):
        runs.open_locked("sales", run).write("x", lambda draft: draft.write_text("x"))
    stuck = tmp_path / "a" / "sales" / "1.none" / WRITTEN
    stuck.unlink()
    stuck.mkdir()  # which no account may unlink, not even one that no permission stops
    with pytest.raises(Unavailable, match="refuses to remove") as caught:
        runs.remove("sales", ["1.none", "2.1"])
    assert caught.value.where == str(stuck)
    assert [path.name for path in (tmp_path / "a" / "sales").iterdir()] == ["1.none"]
    assert not list(store.list(""))
