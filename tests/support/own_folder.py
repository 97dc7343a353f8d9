"""A folder of its own for a test that runs commands in this process, as a fixture."""

from pathlib import Path

import pytest


@pytest.fixture
def own_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The present folder, with its own declarations, suites and home."""
    monkeypatch.chdir(tmp_path)
    for name in ("models", "expectations", "home"):
        monkeypatch.setenv(f"GAUNTLET_{name.upper()}", str(tmp_path / name))
    return tmp_path
