"""The rows of a window of points depend on the events in reach, and on nothing else."""

from __future__ import annotations

from datetime import timedelta

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pipelines.core.time import Window
from pipelines.features.frame import build_frame
from pipelines.features.reach import reaches, within_reach
from pipelines.spec.model import ModelSpec
from tests.property.random_frames import (
    AS_OF,
    START,
    Row,
    declarations,
    events,
    in_order,
    naive,
    tables,
)

HOUR = timedelta(hours=1)


def possible(rows: list[Row]) -> list[Row]:
    """The events that were not known before they happened; a snapshot refuses the others."""
    return [row for row in rows if row["known_time"] >= row["event_time"]]


@settings(
    max_examples=4,
    derandomize=True,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)
@given(
    spec=declarations(),
    sales=events().map(possible),
    visits=events().map(possible),
    start=st.integers(-10, 120),
    hours=st.integers(1, 60),
)
def test_a_window_of_points_is_that_part_of_the_frame(
    spec: ModelSpec, sales: list[Row], visits: list[Row], start: int, hours: int
) -> None:
    window = Window(START + start * HOUR, START + (start + hours) * HOUR)
    streams = tables({"sales": sales, "visits": visits})
    whole = build_frame(spec.frame, streams, AS_OF).to_pyarrow().to_pylist()
    near = within_reach(streams, reaches(spec.frame), window)
    part = build_frame(spec.frame, near, AS_OF, window).to_pyarrow().to_pylist()
    first, end = naive(window.start), naive(window.end)
    wanted = [row for row in whole if first <= row["decision_time"] < end]
    assert in_order(part) == in_order(wanted)
