"""An own feature is one expression: the same in a frame and for requests, and of each row alone."""

from __future__ import annotations

import math
from typing import Any

import ibis
import pyarrow as pa
import pytest

from pipelines.core.errors import SpecError
from pipelines.data.connection import open_duckdb
from pipelines.features.own_feature import RowFeature, column_of
from pipelines.spec.combine import combined_spec
from pipelines.spec.features import ExpressionFeature
from pipelines.spec.fields import ColumnType
from pipelines.spec.views import definitions
from tests.support.training_frame import declared_regression

PRICES = """\
import random
import sys
import ibis

def level(table):
    return ibis.ifelse(table.kind == "b", table.now / table.usual, table.now.ln())

def undefined(table):
    return table.now.ln() + table.now.ln() + table.usual.sqrt() + table.now.cast("int64")

def centred(table):
    return table.now - table.now.mean()

def before(table):
    return table.now - table.now.lag()

def drawn(table):
    return table.now + ibis.random()

def drawn_by_python(table):
    return table.now * random.random()

def leaving(table):
    sys.exit(0)

def dated(table):
    return ibis.now().epoch_seconds() - table.now

def upper(table):
    return table.kind.upper()

def misspelt(table):
    return table.price

def of_another(table):
    return ibis.table({"now": "float64"}, name="other").now

def positive(table):
    return ibis.ifelse(table.now > 0, table.now, float("nan"))

def once(table, calls=[]):
    calls.append(table.now)
    return table.now if len(calls) == 1 else None
"""
COLUMNS = {"now": "size", "usual": "price", "kind": "kind"}
TYPES = {"now": ColumnType.FLOAT, "usual": ColumnType.FLOAT, "kind": ColumnType.STRING}
ROWS = [(3.0, 2.0, "b"), (3.0, 0.0, "b"), (None, 1.0, "b"), (1.0, 1.0, "a"), (0.5, None, None)]
WANTED = [1.5, None, None, 0.0, pytest.approx(-0.6931471805599453)]


def feature(function: str, text: str = PRICES) -> dict[str, Any]:
    return {
        "kind": "expression",
        "name": "level",
        "function": f"prices:{function}",
        "files": {"prices.py": text},
        "columns": COLUMNS,
    }


def declared(function: str) -> ExpressionFeature:
    return ExpressionFeature.model_validate(feature(function))


def column(function: str, rows: list[tuple[Any, ...]] = ROWS) -> Any:
    schema = ibis.schema({"now": "float64", "usual": "float64", "kind": "string"})
    values = {name: [row[place] for row in rows] for place, name in enumerate(TYPES)}
    table = open_duckdb().create_table("points", pa.table(values, schema=schema.to_pyarrow()))
    found = column_of(declared(function), TYPES, {name: table[name] for name in TYPES})
    return table.select(found.name("level"))


def test_requests_have_the_values_of_the_frame() -> None:
    of_requests = RowFeature(declared("level"), TYPES)
    assert of_requests.values(ROWS) == WANTED
    assert of_requests.values([]) == []
    of_frame = column("level").to_pyarrow()["level"].to_pylist()
    assert of_frame == of_requests.values(ROWS), "a last bit differs between training and service"


def test_a_value_that_cannot_be_computed_is_missing() -> None:
    rows = [(0.0, 1.0, "a"), (1.0, 4.0, "a"), (-1.0, 4.0, "a"), (1.0, -1.0, "a")]
    rows += [(1e300, 1.0, "a"), (math.nan, 1.0, "a")]
    wanted = [None, 3.0, None, None, None, None]
    assert RowFeature(declared("undefined"), TYPES).values(rows) == wanted
    assert column("undefined", rows).to_pyarrow()["level"].to_pylist() == wanted


def test_a_feature_may_contain_not_a_number() -> None:
    assert RowFeature(declared("positive"), TYPES).values(ROWS) == [3.0, 3.0, None, 1.0, 0.5]


WRONG = {
    "centred": "Mean",
    "before": "Lag",
    "drawn": "RandomScalar",
    "drawn_by_python": "two calls that return other expressions",
    "once": "two calls that return other expressions",
    "leaving": "models/code/prices.py:24",
    "dated": "TimestampNow",
    "of_another": "another table",
    "upper": "no column of numbers",
    "misspelt": "models/code/prices.py:33",
}


@pytest.mark.parametrize("function", WRONG)
def test_what_no_single_row_decides_is_refused(function: str) -> None:
    with pytest.raises(SpecError) as caught:
        column(function)
    assert WRONG[function] in str(caught.value)


def test_its_source_is_part_of_its_definition() -> None:
    attributes = [one.as_json() for one in declared_regression().features]
    first, same, other = (
        declared_regression(features=[*attributes, feature("level", text)])
        for text in (PRICES, PRICES, PRICES + "\n")
    )
    assert definitions(first) == definitions(same)
    assert definitions(first)["level"] != definitions(other)["level"]
    assert len({first.recipe, same.recipe, other.recipe}) == 2


def test_in_one_frame_with_another_declaration_it_keeps_its_columns() -> None:
    attributes = [one.as_json() for one in declared_regression().features]
    window = {
        "kind": "window",
        "name": "price",
        "stream": "asked",
        "by": ["shop"],
        "aggregate": "mean",
        "column": "price",
        "window": "7d",
    }
    mine = declared_regression(features=[*attributes, feature("level")])
    theirs = declared_regression(
        features=[*(one for one in attributes if one["name"] != "price"), window, feature("level")]
    )
    both = combined_spec(mine, theirs)
    renamed = {one.name: one for one in both.features}
    own = renamed["champion_level"]
    assert isinstance(own, ExpressionFeature)
    assert own.columns == {"now": "size", "usual": "champion_price", "kind": "kind"}
    assert own.files == {"prices.py": PRICES}


MISTAKES: dict[str, dict[str, Any]] = {
    "no columns": {**feature("level"), "columns": {}},
    "columns of an expression": {
        "kind": "expression",
        "name": "level",
        "expression": "size / price",
        "columns": COLUMNS,
    },
    "both": {**feature("level"), "expression": "size / price"},
    "neither": {"kind": "expression", "name": "level"},
}


@pytest.mark.parametrize("entry", MISTAKES.values(), ids=MISTAKES)
def test_a_feature_has_one_definition(entry: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="expression"):
        ExpressionFeature.model_validate(entry)
