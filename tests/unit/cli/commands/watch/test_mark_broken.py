"""The window and the person that ``gauntlet mark-broken`` records."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from pipelines.cli import main
from tests.support.pharmacy import ROOT

COMMAND = (
    *("mark-broken", "demand", "2025-10-20", "2025-10-27"),
    *("--by", "Ada", "--reason", "units"),
)


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty home for the example's declaration."""
    monkeypatch.setenv("GAUNTLET_HOME", str(tmp_path))
    monkeypatch.setenv("GAUNTLET_MODELS", str(ROOT / "models"))
    monkeypatch.setenv("GAUNTLET_EXPECTATIONS", str(ROOT / "expectations"))
    return tmp_path


def run(monkeypatch: pytest.MonkeyPatch, *words: str) -> int:
    monkeypatch.setattr("sys.argv", ["gauntlet", *words])
    with pytest.raises(SystemExit) as end:
        main()
    return int(end.value.code or 0)


def test_the_entry_has_the_window_the_person_and_the_reason(
    home: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    words = (*COMMAND, "--stream", "dispensing", "--column", "quantity", "--json")
    assert run(monkeypatch, *words) == 0
    entry = json.loads(capsys.readouterr().out)["entry"]
    broken = entry["broken"]
    assert (entry["kind"], entry["reasons"]) == ("broken_window", ["units"])
    assert (broken["start"], broken["end"]) == ("2025-10-20T00:00:00Z", "2025-10-27T00:00:00Z")
    assert (broken["stream"], broken["column"], broken["by"]) == ("dispensing", "quantity", "Ada")


@pytest.mark.parametrize(
    "words",
    [
        (*COMMAND[:2], "2025-10-27", "2025-10-20", *COMMAND[4:]),
        (*COMMAND, "--column", "quantity"),
        (*COMMAND, "--stream", "returns"),
    ],
)
def test_a_window_that_cannot_be_meant_is_refused(
    home: Path, monkeypatch: pytest.MonkeyPatch, words: tuple[str, ...]
) -> None:
    assert run(monkeypatch, *words) == 2
    assert (
        not (home / "ledger.db").exists()
        or b"broken_window" not in (home / "ledger.db").read_bytes()
    )
