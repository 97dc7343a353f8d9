"""Rows that are read from a frame in parts are those that are read all at once."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pipelines.core.time import Window, parse_instant
from pipelines.features.frame_rows import FrameRows, table_at
from pipelines.flows.frames import frame_rows, read_rows
from pipelines.spec.model import ModelSpec
from tests.support.sales import sales_model

__all__ = ["sales_model"]
WINDOW = Window(parse_instant("2026-01-02"), parse_instant("2026-01-13"))
SHOPS = 24


@pytest.fixture
def spec(sales_model: Callable[..., ModelSpec]) -> ModelSpec:
    """With features of every type, and a day that is excluded."""
    excluded = {"start": "2026-01-05T06:00Z", "end": "2026-01-06T06:00Z", "reason": "a test"}
    window = {"kind": "window", "stream": "sales", "by": ["shop"], "window": "14d"}
    last = [
        {**window, "name": name, "aggregate": "last", "column": name}
        for name in ("units", "price", "paid", "due")
    ]
    count = {**window, "name": "sales_14d", "aggregate": "count"}
    declared = sales_model().as_json()
    features = [*declared["features"], *last, count]
    split = {"train": "84d", "exclude": [excluded]}
    return ModelSpec.model_validate(declared | {"features": features, "split": split})


def frame(order: str, *, equal: bool = False, seed: int = 1) -> pa.Table:
    """Thirteen days of all shops; units and paid are missing on one day of the window only.

    Rows before the window have no counts, so that these are whole numbers inside it.
    """
    rng = np.random.default_rng(seed)
    days = pd.date_range("2026-01-01", periods=13, freq="D", unit="us")
    shops = pd.DataFrame({"shop": [f"shop {number:02d}" for number in range(SHOPS)]})
    rows = pd.DataFrame({"decision_time": days}).merge(shops, how="cross")
    if equal:
        rows = pd.concat([rows] * 3, ignore_index=True)
    rows = rows.sort_values(["decision_time", "shop"], kind="stable", ignore_index=True)
    absent = (rows["decision_time"] == days[9]).to_numpy()
    early = (rows["decision_time"] == days[0]).to_numpy()
    many = len(rows)
    columns: dict[str, pa.Array] = {
        "shop": pa.array(rows["shop"], pa.string()),
        "decision_time": pa.array(rows["decision_time"], pa.timestamp("us")),
        "units": pa.array(rng.integers(0, 9, many), pa.int64(), mask=absent),
        "price": pa.array(np.where(rng.random(many) < 0.1, np.nan, rng.normal(size=many))),
        "paid": pa.array(rng.random(many) < 0.5, pa.bool_(), mask=absent),
        "due": pa.array(rows["decision_time"], pa.timestamp("us"), mask=absent),
        "sales_14d": pa.array(rng.integers(0, 9, many), pa.int64(), mask=early),
        "label": pa.array(rng.integers(0, 9, many), pa.int64(), mask=rng.random(many) < 0.1),
        "matured_at": pa.array(rows["decision_time"] + pd.Timedelta(days=1), pa.timestamp("us")),
    }
    table = pa.table(columns)
    if order == "as written":
        return table
    places = np.arange(many)[::-1] if order == "backwards" else rng.permutation(many)
    return table.take(places)


@pytest.fixture(params=["as written", "backwards", "at random"])
def order(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(params=[False, True], ids=["each point once", "points of equal keys"])
def path(request: pytest.FixtureRequest, tmp_path: Path, order: str) -> Path:
    found = tmp_path / "frame.parquet"
    pq.write_table(frame(order, equal=request.param), found, row_group_size=50)
    return found


def test_points_and_parts_are_those_of_all_rows(spec: ModelSpec, path: Path) -> None:
    """Types too: a column with missing values elsewhere has the type that it has as a whole."""
    whole = read_rows(spec, path, WINDOW)
    found = frame_rows(spec, path, WINDOW, ["price"])
    names = ["decision_time", "shop", "label", "matured_at", "price"]
    assert len(found) == len(whole)
    assert whole["units"].isna().any()
    assert whole["units"].dtype == np.float64
    assert whole["sales_14d"].dtype == np.int64
    pd.testing.assert_frame_equal(found.points[names], whole[names])
    last = len(whole)
    parts: list[slice | np.ndarray[Any, Any]] = [
        slice(0, last),
        slice(0, 7),
        slice(30, 130),
        slice(last - 3, last),
        slice(5, 5),
        np.array([0, 1, 60, last - 1]),
        np.array([100, 3, 70]),
    ]
    for part in parts:
        pd.testing.assert_frame_equal(found.read(part), whole.iloc[part], check_index_type=False)
    for name in whole.columns:
        column = found.column(name).reset_index(drop=True)
        pd.testing.assert_series_equal(column, whole[name])


def test_a_window_without_rows_has_their_columns(spec: ModelSpec, path: Path) -> None:
    later = Window(parse_instant("2027-01-02"), parse_instant("2027-01-13"))
    found = FrameRows(path, later, spec.points.keys, spec.feature_names)
    assert len(found) == 0
    assert list(found.read(slice(0, 0)).columns) == pq.read_schema(path).names


def test_rows_of_a_file_are_read_by_place(tmp_path: Path) -> None:
    path = tmp_path / "numbers.parquet"
    pq.write_table(pa.table({"number": range(200_000)}), path, row_group_size=130_000)
    places = np.array([0, 65_535, 65_536, 129_999, 130_000, 199_999])
    assert table_at(path, places)["number"].to_pylist() == places.tolist()
    assert len(table_at(path, np.array([], np.int64))) == 0
