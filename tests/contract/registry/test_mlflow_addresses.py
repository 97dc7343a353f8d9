"""Any path can be a home: MLflow's database and artifacts stay inside."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from pipelines.adapters.registry.mlflow import MlflowRegistry
from pipelines.core.addresses import sqlite_url
from pipelines.core.errors import SpecError
from pipelines.packaging.package import content_digest
from tests.support.services.mlflow_database import put_database


@pytest.mark.parametrize("name", ["shop_feature%2Fnew", "a b #1?x=1&y", "日本 100%"])
def test_versions_stay_inside_a_home_of_any_name(
    name: str, pack: Callable, registration: Callable, tmp_path: Path
) -> None:
    home = tmp_path / "homes" / name
    put_database(home / "mlflow.db")
    registry = MlflowRegistry(sqlite_url(home / "mlflow.db"))
    made = registry.register(registration("r1"), pack("regression").folder)
    registry.set_alias("demand", "champion", made.version)
    assert registry.alias("demand", "champion") == "1"
    assert content_digest(registry.download(made, tmp_path / "copies")) == made.content
    assert [path.name for path in (tmp_path / "homes").iterdir()] == [name]
    assert (home / "mlartifacts").is_dir()


@pytest.mark.parametrize("uri", ["postgresql+nodriver://db/x", "mysql+nodriver://db/x"])
def test_a_database_without_a_driver_is_refused_by_name(uri: str) -> None:
    with pytest.raises(SpecError, match="driver"):
        MlflowRegistry(uri).alias("demand", "champion")
