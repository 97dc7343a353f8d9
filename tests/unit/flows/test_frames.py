"""The probe of a written frame samples every week; rows are read in one order."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

import ibis
import pandas as pd
import pyarrow as pa
import pytest
from ibis import _

from pipelines.adapters.objects.local import LocalStore
from pipelines.core.findings import Verdict
from pipelines.core.time import Window, parse_instant
from pipelines.data.events import FileEvents
from pipelines.data.ingest.partitions import write_events
from pipelines.data.reader import EventReader
from pipelines.features.frame import build_frame
from pipelines.flows.frames import FRAME, read_rows, read_training_rows, write_frame, write_points
from pipelines.flows.workspace import Workspace
from pipelines.spec.frame import FrameSpec
from pipelines.spec.model import ModelSpec
from pipelines.training.sample import limited_rows
from pipelines.training.split import split_plan
from tests.support.sales import sales_model, sales_rows

__all__ = ["sales_model", "sales_rows"]
AS_OF = parse_instant("2026-03-23")


def known_at_once(
    spec: FrameSpec, streams: Mapping[str, ibis.Table], as_of: datetime, window: Window
) -> ibis.Table:
    """A frame that takes the time of an event for the time at which it became known."""
    early = {name: table.mutate(known_time=_.event_time) for name, table in streams.items()}
    return build_frame(spec, early, as_of, window)


def with_units(spec: ModelSpec) -> ModelSpec:
    units: dict[str, Any] = {"kind": "window", "name": "units_14d", "stream": "sales"}
    units |= {"by": ["shop"], "aggregate": "count", "window": "14d"}
    declared = spec.as_json()
    return ModelSpec.model_validate(declared | {"features": [*declared["features"], units]})


@pytest.mark.parametrize("leaks", [True, False])
def test_a_leak_in_weeks_that_were_kept_without_a_probe_is_found(
    tmp_path: Path,
    sales_model: Callable[..., ModelSpec],
    sales_rows: Callable[..., pa.Table],
    monkeypatch: pytest.MonkeyPatch,
    leaks: bool,
) -> None:
    """As monitoring keeps them, or a run that ends before its probe."""
    spec = with_units(sales_model())
    store, messages = LocalStore(tmp_path / "store"), list[str]()
    write_events(store, "sales", sales_rows(range(80), late_h=30), "told_at")
    events = EventReader(
        lambda _: {"sales": FileEvents(store)}, tmp_path / "cache", messages.append
    )
    snapshot, plan = events.snapshot(spec.streams, AS_OF), split_plan(spec, AS_OF)
    if leaks:
        monkeypatch.setattr("pipelines.features.frame_weeks.build_frame", known_at_once)
    with events.tables(snapshot, spec.streams) as tables:
        path = tmp_path / FRAME
        write_points(events, spec.frame, snapshot, tables, plan.train.start, path)
    monkeypatch.undo()
    messages.clear()
    workspace = Workspace.open_locked(tmp_path / "work")
    [finding] = write_frame(events, spec, snapshot, plan, workspace).findings
    assert [text for text in messages if text.startswith("computing")] == [
        "computing the points of 2 weeks from 2026-03-16"
    ]
    assert finding.verdict is (Verdict.FAIL if leaks else Verdict.PASS)


@pytest.mark.parametrize("twice", [False, True], ids=["each point once", "points of equal keys"])
@pytest.mark.parametrize("seed", range(3))
def test_rows_are_read_in_the_order_of_time_keys_and_features(
    tmp_path: Path, sales_model: Callable[..., ModelSpec], twice: bool, seed: int
) -> None:
    """Whatever their order in the file, which is mostly the one that is wanted."""
    spec, key, feature = with_units(sales_model()), "shop", "units_14d"
    days = pd.date_range("2026-01-01", periods=9, freq="D", unit="us")
    rows = pd.DataFrame({"decision_time": days}).merge(
        pd.DataFrame({key: ["a", "b", "z", "ü"]}), how="cross"
    )
    rows = rows.assign(**{feature: 1.0}, label=0.0)
    if twice:
        rows = pd.concat([rows.assign(**{feature: value}) for value in (1.0, 2.0)])
        rows = rows.sort_values(["decision_time", key, feature])
    rows = rows.reset_index(drop=True)
    path = tmp_path / FRAME
    window = Window(parse_instant("2026-01-02"), parse_instant("2026-01-08"))
    wanted = rows[rows["decision_time"].between("2026-01-02", "2026-01-07")].reset_index(drop=True)
    backwards = rows.iloc[::-1]
    by_keys = backwards.sort_values(["decision_time", key], kind="stable")
    for order in (rows, rows.sample(frac=1, random_state=seed), backwards, by_keys):
        order.to_parquet(path, index=False)
        pd.testing.assert_frame_equal(read_rows(spec, path, window), wanted)


@pytest.mark.parametrize("most", [30, 100, 209, 210])
def test_training_rows_are_the_sample_of_all_labelled_rows(
    tmp_path: Path, sales_model: Callable[..., ModelSpec], most: int
) -> None:
    """As if the whole span had been read; excluded rows and those without a label count for none.

    Of 11 days with 24 shops one is excluded, and every 8th shop has no label: 210 are left.
    """
    spec, key, feature = with_units(sales_model()), "shop", "units_14d"
    days = pd.date_range("2026-01-01", periods=13, freq="D", unit="us")
    shops = pd.DataFrame({key: [f"shop {number:02d}" for number in range(24)]})
    rows = pd.DataFrame({"decision_time": days}).merge(shops, how="cross")
    rows = rows.assign(matured_at=rows["decision_time"], label=1.5, **{feature: range(len(rows))})
    rows.loc[rows[key].isin(["shop 00", "shop 08", "shop 16"]), "label"] = float("nan")
    path = tmp_path / FRAME
    rows.to_parquet(path, index=False, row_group_size=50)
    window = Window(parse_instant("2026-01-02"), parse_instant("2026-01-13"))
    excluded = {"start": "2026-01-05T06:00Z", "end": "2026-01-06T06:00Z", "reason": "a test"}
    split = {"train": "84d", "max_rows": most, "exclude": [excluded]}
    declared = spec.as_json() | {"split": split, "gates": {"recent_window": {"minimum_rows": 30}}}
    spec = ModelSpec.model_validate(declared)
    whole = read_rows(spec, path, window)
    labelled = whole[whole["label"].notna()]
    read = read_training_rows(spec, path, window)
    wanted = whole if most >= len(labelled) else limited_rows(spec, labelled)
    pd.testing.assert_frame_equal(read.rows, wanted.reset_index(drop=True))
    assert len(read.rows) == (len(whole) if most >= len(labelled) else most)
    points = read.points[[key, "decision_time", "label"]]
    pd.testing.assert_frame_equal(
        points.reset_index(drop=True),
        labelled[[key, "decision_time", "label"]].reset_index(drop=True),
    )


@pytest.mark.parametrize("most", [None, 200])
def test_a_frame_without_points_has_no_training_rows(
    tmp_path: Path, sales_model: Callable[..., ModelSpec], most: int | None
) -> None:
    split = {"split": {"train": "84d", "max_rows": most}}
    spec = ModelSpec.model_validate(sales_model().as_json() | split)
    times = pd.Series([], dtype="datetime64[us]")
    columns = {"shop": pd.Series([], dtype=str), "label": pd.Series([], dtype=float)}
    columns |= {name: pd.Series([], dtype=float) for name in spec.feature_names}
    rows = pd.DataFrame({"decision_time": times, "matured_at": times, **columns})
    rows.to_parquet(tmp_path / FRAME, index=False)
    window = Window(parse_instant("2026-01-02"), parse_instant("2026-01-13"))
    read = read_training_rows(spec, tmp_path / FRAME, window)
    assert len(read.rows) == len(read.points) == 0
