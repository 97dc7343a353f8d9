"""A view's rows, and which of them a step of time moves, in cases that one checks by eye."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from pipelines.adapters.online.memory import MemoryOnline
from pipelines.core.errors import StaleEvidenceError, TimeError
from pipelines.features.online.materialize import fill
from pipelines.features.online.store import ViewState
from pipelines.features.online.views import changed_rows, view_definitions, view_rows
from pipelines.spec.model import ModelSpec
from pipelines.spec.views import feature_views
from tests.support.feature_frame import MONDAY, at, declare, table, window

SUM = window("sum", "amount", "1d")
OLD: list[dict[str, Any]] = [{"t": 1, "shop": shop, "amount": 1.0} for shop in ("a", "b", "c")]
Row = dict[str, Any]


def moved(spec: ModelSpec, rows: list[Row], before: float, as_of: float) -> tuple[Row, list[str]]:
    """Value by shop of the rows to write, and the shops to take away."""
    [view] = feature_views(spec)
    instants = (MONDAY + timedelta(hours=hours) for hours in (before, as_of))
    with changed_rows(spec, view, {"sales": table(rows)}, *instants) as changes:
        written = dict(changes.rows.to_pyarrow().to_pandas().to_numpy())
        return written, sorted(changes.gone.to_pyarrow()["shop"].to_pylist())


def test_fresh_events_alone_move_their_own_keys_alone() -> None:
    fresh = [{"t": 5.5, "shop": "b", "amount": 2.0}, {"t": 5.6, "shop": "new", "amount": 3.0}]
    assert moved(declare(features=[SUM]), [*OLD, *fresh], 5, 6) == ({"b": 3.0, "new": 3.0}, [])


def test_a_step_without_events_moves_nothing() -> None:
    assert moved(declare(features=[SUM]), OLD, 5, 6) == ({}, [])


def test_a_late_arrival_counts_when_it_becomes_known() -> None:
    late = {"t": 2, "k": 5.5, "shop": "b", "amount": 2.0}
    assert moved(declare(features=[SUM]), [*OLD, late], 5, 6) == ({"b": 3.0}, [])
    assert moved(declare(features=[SUM]), [*OLD, late], 3, 5) == ({}, [])


def test_an_entity_that_left_every_window_is_gone() -> None:
    rows = [*OLD, {"t": 9, "shop": "b", "amount": 2.0}]
    assert moved(declare(features=[SUM]), rows, 24, 26) == ({"b": 2.0}, ["a", "c"])


def test_of_two_windows_the_longer_one_keeps_the_row() -> None:
    """At 26 hours the day has let go of the sale at 1, the two days still see it."""
    features = [SUM, window("count", None, "2d") | {"name": "longer"}]
    [view] = feature_views(spec := declare(features=features))
    streams = {"sales": table(OLD[:1])}
    instants = [MONDAY + timedelta(hours=hours) for hours in (24, 26)]
    with changed_rows(spec, view, streams, *instants) as changes:
        [row] = changes.rows.to_pyarrow().to_pylist()
        assert sorted(row.values(), key=str) == [1, None, "a"]
        assert changes.gone.to_pyarrow().num_rows == 0


def test_an_age_is_stored_as_the_instant_it_is_counted_from() -> None:
    """So that a row need not be written again because time went by."""
    spec = declare(features=[window("time_since", None, "1d")])
    [view] = feature_views(spec)
    rows = view_rows(spec, view, {"sales": table(OLD[:1])}, MONDAY + timedelta(hours=8))
    [row] = rows.to_pyarrow().to_pylist()
    assert set(row.values()) == {"a", at(1)}
    assert moved(spec, OLD, 5, 6) == ({}, [])


def test_a_step_backwards_is_refused() -> None:
    with pytest.raises(TimeError, match="cannot be brought back"):
        moved(declare(features=[SUM]), OLD, 6, 5)


def test_a_write_that_fails_leaves_no_table_in_the_engine() -> None:
    """Else it is dropped when the engine is closed already, which is noise over the error."""
    [view] = feature_views(spec := declare(features=[SUM]))
    sales = table([*OLD, {"t": 5.5, "shop": "b", "amount": 2.0}])
    engine = sales.get_backend()
    at_5, at_6 = (MONDAY + timedelta(hours=hours) for hours in (5, 6))
    definitions = tuple(view_definitions(spec, view))
    lost, state = (ViewState("small.sales", when, at_6, definitions) for when in (at_5, at_6))
    with pytest.raises(StaleEvidenceError) as raised:
        fill(MemoryOnline(), spec, view, {"sales": sales}, state, replaces=lost, whole=False)
    assert engine.list_tables() == ["sales"], f"left after {raised.value.what!r}"
