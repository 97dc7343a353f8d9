"""A number in a condition is the double that the declaration means."""

import ibis
import pandas as pd
import pytest

from pipelines.features.conditions import holding
from pipelines.spec.fields import ColumnType, Condition

NUMBER = 10 / 11  # its digits as a decimal are converted to the double before it


@pytest.mark.parametrize(
    "test", [{"is": NUMBER}, {"in": [NUMBER]}, {"at_least": NUMBER}, {"at_most": NUMBER}]
)
def test_a_number_of_many_digits_is_compared_exactly(test: dict[str, object]) -> None:
    table = ibis.duckdb.connect().create_table("sales", pd.DataFrame({"price": [NUMBER]}))
    condition = Condition.model_validate({"column": "price", **test})
    kept = holding(table, [condition], {"price": ColumnType.FLOAT}, "features.units")
    assert kept.to_pandas()["price"].tolist() == [NUMBER]


def test_a_number_is_compared_with_whole_numbers() -> None:
    table = ibis.duckdb.connect().create_table("sales", pd.DataFrame({"units": [1, 2, 3]}))
    condition = Condition.model_validate({"column": "units", "at_least": 1.5})
    kept = holding(table, [condition], {"units": ColumnType.INTEGER}, "features.units")
    assert kept.to_pandas()["units"].tolist() == [2, 3]
