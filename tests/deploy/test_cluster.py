"""The PostgreSQL cluster of the local stack."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def postgres(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """``deploy/postgres.py`` as a module."""
    monkeypatch.syspath_prepend(str(ROOT / "deploy"))
    import postgres

    return postgres


@pytest.fixture
def folder() -> Iterator[Path]:
    """A folder that every account can enter, unlike pytest's own."""
    made = Path(tempfile.mkdtemp(prefix="gauntlet-cluster-"))
    made.chmod(0o755)
    yield made
    shutil.rmtree(made)


def test_the_account_of_postgresql_can_make_its_cluster(postgres: ModuleType, folder: Path) -> None:
    if reason := postgres.obstacle(folder / "postgres"):
        pytest.skip(reason)
    cluster = postgres.Cluster(folder / "postgres", 5432)
    cluster.create()
    assert (cluster.data / "PG_VERSION").is_file()
    before = (cluster.data / "PG_VERSION").stat().st_ino
    cluster.create()
    assert (cluster.data / "PG_VERSION").stat().st_ino == before, "an existing cluster is kept"
