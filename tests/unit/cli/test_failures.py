from __future__ import annotations

import errno
import json
import sqlite3
import sys
from pathlib import Path

import pytest

from pipelines.cli import app as module
from pipelines.cli.failures import as_known
from pipelines.core.errors import IntegrityError, InternalError, SpecError, Unavailable


def run(error: BaseException, monkeypatch: pytest.MonkeyPatch, *options: str) -> int | str | None:
    """The exit code of a command that raises this error."""

    def fail(**_: object) -> None:
        raise error

    monkeypatch.setattr(module, "app", fail)
    monkeypatch.setattr(sys, "argv", ["gauntlet", "ledger", "demand", *options])
    with pytest.raises(SystemExit) as ended:
        module.main()
    return ended.value.code


def test_an_unexpected_error_is_a_sentence_and_a_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("GAUNTLET_HOME", str(tmp_path))
    error = RuntimeError("cannot reach postgresql://reader:hunter2@db/[/bold]")
    assert run(error, monkeypatch) == 70
    printed = capsys.readouterr()
    assert "Traceback" not in printed.out + printed.err
    assert "reader:***@db/[/bold]" in printed.err
    (path,) = (tmp_path / "errors").iterdir()
    assert path.name in printed.err
    written = path.read_text(encoding="utf-8")
    assert "Traceback" in written
    assert "hunter2" not in written + printed.err


def test_scripts_get_an_unexpected_error_as_json(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("GAUNTLET_HOME", str(tmp_path))
    assert run(KeyError("x"), monkeypatch, "--json") == 70
    found = json.loads(capsys.readouterr().out)
    assert (found["error"], found["exit_code"]) == ("internal", 70)


def test_the_temporary_folder_takes_what_the_home_cannot(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("not a folder")
    monkeypatch.setenv("GAUNTLET_HOME", str(tmp_path / "file"))
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "temporary"))
    found = as_known(ValueError("x"))
    assert isinstance(found, InternalError)
    assert Path(found.where).parent == tmp_path / "temporary"
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "file"))
    assert "no folder" in as_known(ValueError("x")).where


def _caused(error: Exception, cause: BaseException) -> Exception:
    error.__cause__ = cause
    return error


@pytest.mark.parametrize(
    ("error", "kind", "words"),
    [
        (OSError(errno.ENOSPC, "x", "/home/a.skops"), Unavailable, "free some space"),
        (PermissionError(errno.EACCES, "x", "/home"), Unavailable, "/home"),
        (OSError(errno.EROFS, "x", "/home"), Unavailable, "can be written"),
        (OSError(errno.EMFILE, "x"), Unavailable, "open files"),
        (MemoryError(), Unavailable, "memory"),
        (RuntimeError("IO Error: No space left on device"), Unavailable, "disk is full"),
        (sqlite3.OperationalError("database or disk is full"), Unavailable, "disk"),
        (_caused(ValueError("x"), OSError(errno.EDQUOT, "x")), Unavailable, "quota"),
        (ModuleNotFoundError("No module named 'psycopg2'", name="psycopg2"), SpecError, "psycopg2"),
    ],
)
def test_failures_of_the_machine_have_a_hint_and_no_file(
    error: Exception, kind: type, words: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GAUNTLET_HOME", str(tmp_path))
    found = as_known(error)
    assert type(found) is kind
    assert words in str(found)
    assert not (tmp_path / "errors").exists()


def test_an_interrupted_command_reports_that_it_can_be_repeated(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(SystemExit(130), monkeypatch) == 130
    assert "goes on from here" in capsys.readouterr().err


@pytest.mark.parametrize("kind", [RuntimeError, IntegrityError])
def test_an_error_that_an_interrupt_caused_is_an_interrupt(
    kind: type[Exception], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    query = _caused(RuntimeError("Query interrupted"), KeyboardInterrupt())
    assert run(_caused(kind("no answer"), query), monkeypatch) == 130
    assert "goes on from here" in capsys.readouterr().err
