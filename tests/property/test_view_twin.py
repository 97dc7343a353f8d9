"""What is stored online equals what training sees: in random steps, on every store.

Events come late, twice, without keys, and leave their windows. After each step the store has to
hold what the slow twin finds for that instant, and a lookup has to be the frame's row as served.
"""

from __future__ import annotations

from datetime import UTC, timedelta
from pathlib import Path

from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from pipelines.core.time import MICROSECOND, epoch_us, parse_instant
from pipelines.features.frame import build_frame
from pipelines.features.online.cadence import served_at
from pipelines.features.online.lookup import look_up
from pipelines.features.online.materialize import fill
from pipelines.spec.model import ModelSpec
from pipelines.spec.views import feature_views
from tests.property.random_frames import AS_OF, START, TIMES, Row, events, tables
from tests.property.view_twin import held, new_stores, one_view, state_of, twin_view, zoned

EPOCH = parse_instant("1970-01-01")
# Each example is a dozen queries: to shrink one would take longer than to read it.
UNSHRUNK = [Phase.explicit, Phase.reuse, Phase.generate]
SLOW = [HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.function_scoped_fixture]

steps = st.lists(
    st.sampled_from([timedelta(seconds=1), timedelta(hours=1), timedelta(hours=7)])
    | st.integers(1, 72).map(lambda hours: timedelta(hours=hours, microseconds=hours % 2)),
    min_size=1,
    max_size=4,
)


@settings(
    max_examples=4 * TIMES,
    derandomize=TIMES == 1,
    phases=UNSHRUNK,
    suppress_health_check=SLOW,
)
@given(spec=one_view(), visits=events(), first=st.integers(-10, 60), by=steps)
def test_a_store_filled_in_steps_holds_what_the_twin_finds(
    tmp_path: Path,
    redis_server: str,
    spec: ModelSpec,
    visits: list[Row],
    first: int,
    by: list[timedelta],
) -> None:
    store, [view], streams = (
        new_stores(tmp_path, redis_server),
        feature_views(spec),
        tables({"visits": visits}),
    )
    every = {tuple(row[key] for key in view.entity) for row in visits}
    entities = sorted((one for one in every if None not in one), key=repr)
    at, stored = START + timedelta(hours=first), None
    for step in [timedelta(0), *by]:
        at += step
        state = state_of(spec, view, at)
        fill(store, spec, view, streams, state, replaces=stored, whole=stored is None)
        stored = state
        assert held(store, state.name, entities) == twin_view(spec, view, visits, at), (
            f"the view as of {at} is not what the events say"
        )
    back = state_of(spec, view, at - by[-1])
    fill(store, spec, view, streams, back, replaces=stored, whole=True)
    assert held(store, back.name, entities) == twin_view(spec, view, visits, back.as_of), (
        "put back to an earlier instant, the view is not what it was"
    )


@settings(
    max_examples=4 * TIMES,
    derandomize=TIMES == 1,
    phases=UNSHRUNK,
    suppress_health_check=SLOW,
)
@given(spec=one_view(), sales=events(), visits=events())
def test_a_lookup_is_the_row_that_training_sees_as_served(
    tmp_path: Path, redis_server: str, spec: ModelSpec, sales: list[Row], visits: list[Row]
) -> None:
    """Each event point is requested at its own time, after the fills up to then."""
    store, [view], streams = (
        new_stores(tmp_path, redis_server),
        feature_views(spec),
        tables({"sales": sales, "visits": visits}),
    )
    frame = build_frame(spec.frame, streams, AS_OF).to_pyarrow().to_pylist()
    points = sorted(frame, key=lambda row: row["decision_time"])[:6]
    stored, requested = None, list[Row]()
    for point in points:
        at = point["decision_time"].replace(tzinfo=UTC)
        filled = EPOCH + served_at(epoch_us(at), view.cadence) * MICROSECOND
        if stored is None or filled > stored.as_of:
            state = state_of(spec, view, filled)
            fill(store, spec, view, streams, state, replaces=stored, whole=stored is None)
            stored = state
        served = look_up(spec, store, [point], at)
        requested.append({name: values[0] for name, values in served.values.items()})
    wanted = [{name: zoned(point[name]) for name in spec.feature_names} for point in points]
    assert requested == wanted
