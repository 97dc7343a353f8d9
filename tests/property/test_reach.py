"""The rows of a window of points depend on the events in reach, and on nothing else."""

from __future__ import annotations

from datetime import timedelta

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from pipelines.core.time import Window
from pipelines.features.frame import build_frame
from pipelines.features.reach import reaches, within_reach
from tests.property.random_frames import (
    AS_OF,
    KINDS,
    START,
    TIMES,
    Kind,
    declarations,
    in_order,
    many_events,
    naive,
    tables,
)

HOUR = timedelta(hours=1)


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: "-".join(map(str, kind)))
@settings(
    max_examples=TIMES,
    derandomize=TIMES == 1,
    phases=[Phase.generate],
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)
@given(data=st.data())
def test_a_window_of_points_is_that_part_of_the_frame(kind: Kind, data: st.DataObject) -> None:
    sales, visits = (data.draw(many_events()) for _ in range(2))
    spec = data.draw(declarations(kind))
    start, hours = data.draw(st.integers(-10, 120)), data.draw(st.integers(1, 60))
    window = Window(START + start * HOUR, START + (start + hours) * HOUR)
    streams = tables({"sales": sales, "visits": visits})
    whole = build_frame(spec.frame, streams, AS_OF).to_pyarrow().to_pylist()
    near = within_reach(streams, reaches(spec.frame), window)
    part = build_frame(spec.frame, near, AS_OF, window).to_pyarrow().to_pylist()
    first, end = naive(window.start), naive(window.end)
    wanted = [row for row in whole if first <= row["decision_time"] < end]
    assert in_order(part) == in_order(wanted)
