"""Kept files: whole or absent, verified, and bounded."""

import os
import time
from pathlib import Path

import pytest

from pipelines.data.kept_files import KeptFiles

DAY = 86400


def _write(kept: KeptFiles, key: str, text: str, days_ago: float = 0) -> Path:
    path = kept.write(key, lambda draft: draft.write_text(text))
    used = time.time() - days_ago * DAY
    os.utime(path, (used, used))
    return path


def test_a_file_is_read_by_its_key(tmp_path: Path) -> None:
    kept = KeptFiles(tmp_path / "frames")
    assert kept.read("a", print) is None
    path = _write(kept, "a", "rows")
    assert _write(kept, "a", "rows") == path, "two runs that write the same share the file"
    assert kept.read("a", print) == path
    assert kept.read("b", print) is None


def test_a_changed_byte_is_reported_and_the_file_counts_as_absent(tmp_path: Path) -> None:
    kept, messages = KeptFiles(tmp_path), list[str]()
    path = _write(kept, "a", "rows")
    path.write_text("rowz")
    assert kept.read("a", messages.append) is None
    assert messages == [f"{path} is damaged, and is computed again"]
    assert kept.read("a", messages.append) is None
    assert len(messages) == 1, "it is reported once"


def test_a_write_that_fails_or_is_killed_leaves_no_file(tmp_path: Path) -> None:
    kept = KeptFiles(tmp_path)

    def half(draft: Path) -> None:
        draft.write_text("half of the ro")
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        kept.write("a", half)
    left = tmp_path / ".draft-killed"
    left.mkdir()
    (left / "content").write_text("half of the ro")
    assert kept.read("a", print) is None
    assert _write(kept, "a", "rows").read_text() == "rows"
    assert not left.exists(), "what a killed process left is removed"


def test_files_that_were_not_used_for_the_longest_time_are_removed_first(tmp_path: Path) -> None:
    kept = KeptFiles(tmp_path, most_bytes=10)
    for days, key in enumerate(("new", "old", "older", "oldest")):
        _write(kept, key, "four", days_ago=2 * days)
    assert kept.read("oldest", print) is not None, "reading is a use"
    kept.prune()
    assert [key for key in ("new", "old", "older", "oldest") if kept.read(key, print)] == [
        "new",
        "oldest",
    ]


def test_files_in_use_are_kept_whatever_their_size(tmp_path: Path) -> None:
    kept = KeptFiles(tmp_path, most_bytes=10)
    _write(kept, "a", "more than ten bytes")
    kept.prune()
    assert kept.read("a", print) is not None
