from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

import pytest

from pipelines.core.errors import DataError, SpecError
from pipelines.data.engines.port import Connect
from pipelines.data.engines.tables import open_engine


@pytest.mark.skipif(find_spec("pyspark") is not None, reason="PySpark is installed here")
def test_without_pyspark_the_error_names_what_to_install(tmp_path: Path) -> None:
    with pytest.raises(SpecError, match="PySpark is not installed") as error:
        open_engine("spark://host:7077", tmp_path)
    assert "gauntlet[spark]" in error.value.hint


def test_results_come_in_order_and_stop_at_the_first_error(tmp_path: Path) -> None:
    def halved(connect: Connect, number: int) -> int:
        if number % 2:
            raise DataError(f"{number} is odd")
        [half] = connect().execute("SELECT ? // 2", [number]).fetchone() or ()
        return int(half)

    engine, found = open_engine("duckdb", tmp_path), list[int]()
    with pytest.raises(DataError, match="5 is odd"):
        found.extend(engine.map(halved, [8, 2, 5, 4]))
    assert found == [4, 1]
