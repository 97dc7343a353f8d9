"""A view that is looked up in the store: values as in the events, whatever its entity."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pandas as pd
import pytest

from pipelines.adapters.online.memory import MemoryOnline
from pipelines.features.online.materialize import fill
from pipelines.features.online.store import ViewState
from pipelines.features.online.views import view_definitions
from pipelines.gates.availability.store_lookup import (
    POINTS,
    are_present,
    entities_of,
    is_present,
    look_up_view,
)
from pipelines.spec.views import feature_views
from tests.support.feature_frame import MONDAY, declare, table, window

AS_OF = MONDAY + timedelta(hours=48)


@pytest.mark.parametrize(
    ("by", "entities", "offline"), [(["shop"], 2, 5), ([], 1, 6)], ids=["of shops", "of the stream"]
)
def test_every_point_is_looked_up_with_its_entity(
    by: list[str], entities: int, offline: int
) -> None:
    spec = declare(features=[window("sum", "amount", "3d", by=by)], serving={"every": "1d"})
    [view] = feature_views(spec)
    streams = {"sales": table([{"t": 1, "amount": 3.0}, {"t": 2, "amount": 4.0, "shop": "b"}])}
    store = MemoryOnline()
    written = datetime(2026, 1, 8, tzinfo=UTC)
    state = ViewState(f"small.{view.name}", AS_OF, written, tuple(view_definitions(spec, view)))
    fill(store, spec, view, streams, state, replaces=None, whole=True)
    points = pd.DataFrame({"shop": ["a", "b", "unknown"], POINTS: [2, 3, 1]})
    [found] = look_up_view(spec, view, store, streams, points, AS_OF)
    assert (found.entities, found.offline, found.online, found.unequal) == (
        entities,
        offline,
        offline,
        0,
    )
    assert not found.absent_entities


def test_without_columns_each_row_has_the_same_entity() -> None:
    assert entities_of(pd.DataFrame({"shop": ["a", "b"]}), []) == [(), ()]
    assert entities_of(pd.DataFrame({"shop": ["a", "b"]}), ["shop"]) == [("a",), ("b",)]


@pytest.mark.parametrize("aggregate", ["count", "distinct", "sum", "last"])
@pytest.mark.parametrize(
    "values",
    [[0, 1, 2], [0.0, None, 3.0], [True, None, False], ["", None, "a"], []],
    ids=["whole", "with missing ones", "yes/no", "texts", "none"],
)
def test_a_column_is_present_where_each_of_its_values_is(
    aggregate: str, values: list[object]
) -> None:
    """A count of 0 is what an unknown entity has as well."""
    summed = None if aggregate == "count" else "amount"
    spec = declare(features=[window(aggregate, summed, "3d", by=["shop"])])
    [feature] = feature_views(spec)[0].features
    column = pd.Series(values)
    expected = [is_present(feature, value) for value in column.tolist()]
    assert are_present(feature, column).tolist() == expected
