"""The frame against its slow twin, fresh and as served."""

from __future__ import annotations

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pipelines.features.frame import build_frame
from pipelines.gates.availability.leak_probe import probe_leaks
from pipelines.spec.model import ModelSpec
from tests.property.random_frames import AS_OF, TIMES, Row, declarations, events, in_order, tables
from tests.property.twin import twin


@settings(
    max_examples=13 * TIMES,
    derandomize=TIMES == 1,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)
@given(spec=declarations(), sales=events(), visits=events())
def test_frame_equals_its_row_by_row_twin(
    spec: ModelSpec, sales: list[Row], visits: list[Row]
) -> None:
    streams = {"sales": sales, "visits": visits}
    frame = build_frame(spec.frame, tables(streams), AS_OF)
    wanted = twin(spec, streams)
    got = frame.to_pyarrow().to_pylist()
    order = ["shop", "item", "decision_time"]
    names = [name for name in spec.feature_names if name not in order]
    assert list(frame.columns) == [*order, *names, "label", "matured_at"]
    assert in_order(got) == in_order(
        [{name: row[name] for name in frame.columns} for row in wanted]
    )


@settings(
    max_examples=5 * TIMES,
    derandomize=TIMES == 1,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)
@given(spec=declarations(), sales=events(), visits=events(), seed=st.integers(0, 9))
def test_leak_probe_never_accuses_an_honest_frame(
    spec: ModelSpec, sales: list[Row], visits: list[Row], seed: int
) -> None:
    streams = tables({"sales": sales, "visits": visits})
    frame = build_frame(spec.frame, streams, AS_OF).cache()  # as the flow has written it
    [finding] = probe_leaks(spec.frame, streams, frame, AS_OF, sample=5, seed=seed)
    assert finding.verdict in ("pass", "no_data"), finding.reason
