"""Materialize, retrain, monitor, score and backfill give on Spark what they give on DuckDB."""

from __future__ import annotations

import pytest

from pipelines.data.engines.port import Engine
from tests.contract.engines.conftest import SPARK
from tests.contract.engines.model_life import STEPS, Life, write_store


@pytest.fixture(scope="module")
def lives(spark: Engine, tmp_path_factory: pytest.TempPathFactory) -> tuple[Life, Life]:
    """The life of one model on DuckDB and on Spark, which all tests go on with."""
    folder = tmp_path_factory.mktemp("flows")
    write_store(folder)
    return Life(folder, "duckdb"), Life(folder, SPARK)


@pytest.mark.slow
@pytest.mark.parametrize("step", STEPS)
def test_each_command_gives_the_same_on_spark(lives: tuple[Life, Life], step: str) -> None:
    on_duckdb, on_spark = lives
    wanted, got = on_duckdb.step(step), on_spark.step(step)
    for what, answer in wanted.items():
        assert got[what] == answer, what
    assert got.keys() == wanted.keys()
