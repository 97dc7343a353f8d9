"""The numbers of a declaration are the same doubles in the frame and in the service."""

from collections.abc import Callable
from datetime import UTC, datetime

import ibis
import pandas as pd
import pytest

from pipelines.features.frame import build_frame
from pipelines.spec.expressions import Expression
from pipelines.spec.model import ModelSpec
from tests.support.sales import sales_model

__all__ = ["sales_model"]

# Of 10 / 11 in digits, DuckDB's decimal is converted to the double before it.
TEXTS = ["10 / 11 * units", "units / (10 / 11)", "10 / 11 - units", "-units + 10 / 11", "1 / units"]


@pytest.mark.parametrize("text", TEXTS)
def test_a_number_of_many_digits_is_the_nearest_double(
    sales_model: Callable[..., ModelSpec], text: str
) -> None:
    declared = sales_model().as_json()
    units = {"kind": "window", "name": "units", "stream": "sales", "by": ["shop"]}
    units |= {"aggregate": "sum", "column": "price", "window": "14d"}
    declared["features"] += [units, {"kind": "expression", "name": "derived", "expression": text}]
    spec = ModelSpec.model_validate(declared)
    frame = frame_of(spec, datetime(2026, 1, 4, tzinfo=UTC))
    found = set(frame["derived"])
    assert found == {Expression(text).evaluate({"units": 7.0}, lambda one, other: one / other)}


@pytest.mark.parametrize(
    "label",
    [
        {"aggregate": "sum", "column": "price", "empty": 10 / 11},
        {"kind": "later_event", "column": "price", "absent": 10 / 11},
    ],
)
def test_the_label_without_an_event_is_the_nearest_double(
    sales_model: Callable[..., ModelSpec], label: dict[str, object]
) -> None:
    declared = sales_model().as_json()
    kept = {name: declared["label"][name] for name in ("kind", "stream", "by", "horizon")}
    spec = ModelSpec.model_validate(declared | {"label": kept | label})
    frame = frame_of(spec, datetime(2026, 1, 20, tzinfo=UTC))
    assert set(frame["label"].dropna()) == {10 / 11}


def frame_of(spec: ModelSpec, as_of: datetime) -> pd.DataFrame:
    """The frame of one sale at noon of the first day."""
    at = pd.Timestamp("2026-01-01 12:00")
    row = {"event_time": at, "known_time": at, "sale": "s", "shop": "a", "units": 1, "price": 7.0}
    events = ibis.duckdb.connect().create_table(
        "sales", pd.DataFrame([row | {"paid": True, "due": at}])
    )
    return build_frame(spec.frame, {"sales": events}, as_of).to_pandas()
