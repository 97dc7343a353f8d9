"""Materialize, retrain, monitor, score and backfill give on Spark what they give on DuckDB."""

from __future__ import annotations

from pathlib import Path

import pytest

from pipelines.data.engines.port import Engine
from tests.contract.engines.conftest import SPARK
from tests.contract.engines.model_life import used, write_store


@pytest.mark.slow
def test_each_command_gives_the_same_on_spark(spark: Engine, tmp_path: Path) -> None:
    write_store(tmp_path)
    wanted, got = used(tmp_path, "duckdb"), used(tmp_path, SPARK)
    retrainings = [files for what, files in wanted.items() if what.startswith("retrain")]
    assert len(retrainings) == 2
    for files in retrainings:
        assert {"frame.parquet", "contract.json", "version/model.skops"} <= set(files)
    for what, answer in wanted.items():
        assert got[what] == answer, what
    assert got.keys() == wanted.keys()
