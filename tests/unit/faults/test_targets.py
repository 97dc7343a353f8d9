"""Where a fault is planted in a declared model."""

from __future__ import annotations

from datetime import datetime

from pipelines.faults.targets import find_target
from pipelines.spec.model import ModelSpec
from tests.support.pharmacy import RICH, declaration
from tests.support.sales_home import declaration as sales

END = datetime.fromisoformat("2025-03-10")


def test_the_parts_of_the_pharmacy() -> None:
    spec = ModelSpec.model_validate(declaration(RICH))
    found = {
        part: find_target(spec, part, END)
        for part in ("number", "category", "label", "feed", "rows", "known-time column")
    }
    assert {part: target and (target.stream, target.column) for part, target in found.items()} == {
        "number": ("dispensing", "quantity"),
        "category": ("dispensing", "medicine"),
        "label": ("dispensing", "quantity"),
        "feed": ("stock", ""),
        "rows": ("dispensing", ""),
        "known-time column": ("dispensing", ""),
    }
    number = found["number"]
    assert number is not None
    assert (number.id, number.keys) == (("dispensing_id",), ("pharmacy", "medicine"))


def test_a_label_that_counts_has_no_column() -> None:
    label = sales()["label"] | {"aggregate": "count", "column": None}
    spec = ModelSpec.model_validate(sales() | {"label": label})
    assert find_target(spec, "label", END) is None
    number = find_target(spec, "number", END)
    assert number is not None
    assert number.column == "units", "the first number that a feature reads"
    feed = find_target(spec, "feed", END)
    assert feed is not None
    assert feed.stream == "sales", "there is no other feed"


def test_times_in_an_id_are_those_of_the_canonical_table() -> None:
    declared = sales()["streams"]["sales"]
    columns = declared["columns"] | {"sold_at": "timestamp"}
    stream = declared | {"columns": columns, "id": ["shop", "sold_at"]}
    spec = ModelSpec.model_validate(sales() | {"streams": {"sales": stream}})
    found = find_target(spec, "id", END)
    assert found is not None
    assert (found.column, found.id, found.keys) == ("", ("shop", "event_time"), ("shop",))
    assert find_target(spec, "known-time column", END) is None, "one column is both times"
