"""Files and folders that are complete or absent."""

import errno
import os
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from pipelines.core.errors import Unavailable
from pipelines.core.files import (
    atomic_file,
    atomic_folder,
    disk_full_as_error,
    draft_in,
    publish_folder,
    remove_drafts,
    working_folder,
    write_bytes,
)


def write_folder(folder: Path, **contents: str) -> None:
    folder.mkdir()
    for name, text in contents.items():
        (folder / name).write_text(text)


def write_and_fail(draft: Path, error: OSError | None = None, *, folder: bool = False) -> None:
    if folder:
        write_folder(draft, model="half")
    else:
        draft.write_text("half")
    raise error or OSError("broken")


def contents_of(folder: Path) -> dict[str, str]:
    return {
        path.relative_to(folder).as_posix(): path.read_text()
        for path in folder.rglob("*")
        if path.is_file()
    }


def test_a_file_appears_with_its_whole_content_and_its_folder_is_made(tmp_path: Path) -> None:
    target = tmp_path / "new" / "report.json"
    with atomic_file(target) as draft:
        draft.write_text("{")
        assert not target.exists()
        draft.write_text("{}")
    assert contents_of(tmp_path) == {"new/report.json": "{}"}


def test_a_failed_write_leaves_the_old_file_and_no_draft(tmp_path: Path) -> None:
    target = tmp_path / "report.json"
    write_bytes(target, b"old")
    with pytest.raises(OSError, match="broken"), atomic_file(target) as draft:
        write_and_fail(draft)
    assert contents_of(tmp_path) == {"report.json": "old"}


def test_a_block_that_writes_nothing_is_an_error_and_keeps_the_old_file(tmp_path: Path) -> None:
    target = tmp_path / "report.json"
    write_bytes(target, b"old")
    with pytest.raises(FileNotFoundError), atomic_file(target):
        pass
    assert contents_of(tmp_path) == {"report.json": "old"}


@pytest.mark.parametrize(("if_absent", "kept"), [(True, "old"), (False, "new")])
def test_if_absent_keeps_a_file_that_exists(tmp_path: Path, if_absent: bool, kept: str) -> None:
    target = tmp_path / "object"
    write_bytes(target, b"old")
    with atomic_file(target, if_absent=if_absent) as draft:
        draft.write_text("new")
    assert contents_of(tmp_path) == {"object": kept}


def test_content_and_name_are_flushed_before_the_block_returns(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    flushed: list[tuple[Path, bool]] = []
    fsync, target = os.fsync, tmp_path / "object"

    def record(handle: int) -> None:
        flushed.append((Path(f"/proc/self/fd/{handle}").readlink(), target.exists()))
        fsync(handle)

    monkeypatch.setattr(os, "fsync", record)
    write_bytes(target, b"content")
    (draft, renamed), (folder, renamed_then) = flushed
    assert (draft.parent.parent, renamed) == (tmp_path, False)
    assert (folder, renamed_then) == (tmp_path, True)


def test_a_full_disk_is_an_error_that_a_person_can_act_on(tmp_path: Path) -> None:
    full, target = OSError(errno.ENOSPC, "No space left on device"), tmp_path / "x"
    with pytest.raises(Unavailable, match="no room") as caught, atomic_file(target) as draft:
        write_and_fail(draft, full)
    assert caught.value.where == str(tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_other_errors_of_the_system_pass_unchanged(tmp_path: Path) -> None:
    with pytest.raises(PermissionError), disk_full_as_error(tmp_path):
        raise PermissionError(errno.EACCES, "Permission denied")


def test_a_folder_appears_whole(tmp_path: Path) -> None:
    with atomic_folder(tmp_path / "versions" / "1") as draft:
        write_folder(draft, model="m", facts="f")
        assert not (tmp_path / "versions" / "1").exists()
    assert contents_of(tmp_path) == {"versions/1/model": "m", "versions/1/facts": "f"}


def test_a_folder_is_not_replaced_unless_requested(tmp_path: Path) -> None:
    write_folder(tmp_path / "1", model="old")
    with pytest.raises(FileExistsError, match="1"), atomic_folder(tmp_path / "1") as draft:
        write_folder(draft, model="new")
    assert contents_of(tmp_path) == {"1/model": "old"}


def test_a_replaced_folder_keeps_nothing_of_the_old_one(tmp_path: Path) -> None:
    write_folder(tmp_path / "1", model="old", other="o")
    with atomic_folder(tmp_path / "1", replace=True) as draft:
        write_folder(draft, model="new")
    assert contents_of(tmp_path) == {"1/model": "new"}
    assert [path.name for path in tmp_path.iterdir()] == ["1"]


def test_an_empty_folder_may_be_filled(tmp_path: Path) -> None:
    (tmp_path / "1").mkdir()
    with atomic_folder(tmp_path / "1") as draft:
        write_folder(draft, model="new")
    assert contents_of(tmp_path) == {"1/model": "new"}


def test_a_folder_that_cannot_be_replaced_is_put_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    target, rename = tmp_path / "1", Path.rename
    write_folder(target, model="old")

    def refuse_once_gone(path: Path, to: Path) -> Path:
        if to == target and not target.exists() and (path / "new").exists():
            raise PermissionError(errno.EACCES, "Permission denied")
        return rename(path, to)

    monkeypatch.setattr(Path, "rename", refuse_once_gone)
    with pytest.raises(PermissionError), atomic_folder(target, replace=True) as draft:
        write_folder(draft, new="n")
    assert contents_of(tmp_path) == {"1/model": "old"}


def test_a_failed_folder_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="broken"), atomic_folder(tmp_path / "1") as draft:
        write_and_fail(draft, folder=True)
    assert list(tmp_path.iterdir()) == []


def test_a_file_in_the_way_is_not_taken_for_a_folder(tmp_path: Path) -> None:
    (tmp_path / "1").write_text("a file")
    with draft_in(tmp_path) as draft:
        write_folder(draft, model="m")
        with pytest.raises(NotADirectoryError):
            publish_folder(draft, tmp_path / "1", replace=True)
    assert contents_of(tmp_path) == {"1": "a file"}


def test_drafts_of_killed_processes_are_removed_and_nothing_else(tmp_path: Path) -> None:
    write_bytes(tmp_path / "record.json", b"{}")
    (tmp_path / ".hidden").write_text("not ours")
    (tmp_path / ".draft-1").write_text("half a file")
    write_folder(tmp_path / ".draft-2", half="folder")
    remove_drafts(tmp_path)
    assert contents_of(tmp_path) == {"record.json": "{}", ".hidden": "not ours"}


def test_what_killed_processes_left_is_removed_by_the_next_write(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    child = (
        "import os, signal, sys, tempfile\n"
        "from pathlib import Path\n"
        "from pipelines.core.files import draft_in, working_folder\n"
        f"tempfile.tempdir = {str(tmp_path)!r}\n"
        "with working_folder('work-') as work, draft_in(Path(tempfile.tempdir)) as draft:\n"
        "    (work / 'x').write_text('x')\n"
        "    draft.write_text('half')\n"
        "    os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    done = subprocess.run([sys.executable, "-c", child], check=False)
    assert done.returncode == -signal.SIGKILL
    assert len(list(tmp_path.iterdir())) == 2
    with draft_in(tmp_path) as draft, draft_in(tmp_path) as other, working_folder("work-"):
        draft.write_text("in use")
        other.write_text("in use, too")
        with working_folder("work-"), draft_in(tmp_path):
            assert len(list(tmp_path.iterdir())) == 5
        assert draft.read_text() == "in use"
    assert list(tmp_path.iterdir()) == []
