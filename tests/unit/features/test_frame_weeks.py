"""Which weeks of a frame are computed again: those that new and late events touch."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pipelines.data.engines.duck import DuckDbDatabase
from pipelines.data.events import FileEvents
from pipelines.data.reader import EventReader
from pipelines.features.frame import build_frame
from pipelines.flows.frames import write_points
from pipelines.spec.model import ModelSpec
from tests.support.sales import SalesFolder, sales_model, sales_rows

__all__ = ["sales_model", "sales_rows"]
START = datetime(2026, 1, 7, tzinfo=UTC)  # a Wednesday
AS_OF = datetime(2026, 3, 23, tzinfo=UTC)  # a Monday; the labels of its last week have not matured
FINAL = 10  # weeks from Monday before START, with all labels known
DAY = timedelta(days=1)
Rows = list[dict[str, Any]]


@dataclass
class World(SalesFolder):
    """A folder of sales, and the frames that are read from it."""

    def __post_init__(self) -> None:
        super().__post_init__()
        self.events = EventReader(
            lambda _: {"sales": FileEvents(self.store)},
            self.folder / "cache",
            self.messages.append,
        )

    def frame(self, as_of: datetime = AS_OF) -> Rows:
        """The frame from kept weeks, which has to be the one that is computed at once."""
        self.messages.clear()
        spec, path = self.spec, self.folder / "frame.parquet"
        snapshot = self.events.snapshot(spec.streams, as_of)
        with self.events.tables(snapshot, spec.streams) as tables:
            write_points(self.events, spec.frame, snapshot, tables, START, path)
            whole = _in_order(build_frame(spec.frame, tables, as_of).to_pyarrow().to_pylist())
        rows = _in_order(pq.read_table(path).to_pylist())
        assert rows == [row for row in whole if row["decision_time"] >= START.replace(tzinfo=None)]
        return rows

    @property
    def computed(self) -> list[str]:
        """What the newest frame computed."""
        return [text for text in self.messages if text.startswith("computing")]

    @property
    def kept(self) -> set[str]:
        return {path.name for path in self.events.frames.folder.iterdir()}


def _in_order(rows: Iterable[dict[str, Any]]) -> Rows:
    return sorted(rows, key=lambda row: (row["decision_time"], row["shop"]))


@pytest.fixture
def world(
    tmp_path: Path, sales_model: Callable[..., ModelSpec], sales_rows: Callable[..., pa.Table]
) -> World:
    return World.of_80_days(tmp_path, sales_model, sales_rows)


def test_a_week_later_only_the_newest_weeks_are_computed(world: World) -> None:
    world.frame(AS_OF - 7 * DAY)
    assert world.computed == ["computing the points of 11 weeks from 2026-01-05"]
    before = world.kept
    assert len(before) == FINAL - 1
    world.frame()
    assert world.computed == ["computing the points of 3 weeks from 2026-03-09"]
    assert len(world.kept - before) == 1
    assert before <= world.kept
    world.frame(AS_OF - 7 * DAY)
    assert world.computed == ["computing the points of 2 weeks from 2026-03-09"], "a backfill"


def test_another_engine_computes_its_own_weeks(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.frame()
    before, every = world.kept, world.computed
    monkeypatch.setattr(DuckDbDatabase, "version", "spark 4.0.5")
    world.frame()
    assert world.computed == every
    assert len(world.kept - before) == len(before)


def test_a_late_event_changes_the_points_that_it_touches_and_no_other_week(
    world: World, sales_rows: Callable[..., pa.Table]
) -> None:
    before, kept = world.frame(), world.kept
    number, known = 34, datetime(2026, 3, 20, 18, tzinfo=UTC)  # sold on Wednesday, 4 February
    happened = datetime(2026, 2, 4, 12, tzinfo=UTC)
    late = sales_rows([number], sale=["late"], told_at=pa.array([known], pa.timestamp("us", "UTC")))
    world.add(late)
    after = world.frame()
    changed = [
        one["decision_time"].replace(tzinfo=UTC)
        for one, other in zip(before, after, strict=True)
        if one != other
    ]
    # Labels count the seven days after a point. It is too old for any feature of newer points.
    assert changed == [datetime(2026, 1, 29, tzinfo=UTC) + day * DAY for day in range(7)]
    assert changed[-1] < happened < changed[0] + 7 * DAY
    assert world.computed == [
        "computing the points of 2 weeks from 2026-01-26",
        "computing the points of 2 weeks from 2026-03-16",
    ]
    assert len(world.kept - kept) == 2


def test_an_earlier_copy_of_an_event_takes_its_place(
    world: World, sales_rows: Callable[..., pa.Table]
) -> None:
    """The row that counted before is in a week that holds no new row."""
    points = world.spec.points.model_copy(update={"active_for": 7 * DAY})
    world.spec = world.spec.model_copy(update={"points": points})
    world.frame()
    first = datetime(2026, 1, 8, 13, tzinfo=UTC)  # of the sale of 10 February
    copy = sales_rows([7], sale=["s40"], told_at=pa.array([first], pa.timestamp("us", "UTC")))
    world.add(copy)
    world.frame()
    always = "computing the points of 2 weeks from 2026-03-16"
    assert world.computed == [
        "computing the points of 3 weeks from 2026-01-05",
        "computing the points of 4 weeks from 2026-02-02",
        always,
    ]
    world.frame()
    assert world.computed == [always], "the next frame finds what this one computed"


def test_a_damaged_week_is_computed_again(world: World) -> None:
    world.frame()
    path = sorted(world.events.frames.folder.iterdir())[3]
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    world.frame()
    assert f"{path} is damaged, and is computed again" in world.messages
    assert len([name for name in world.kept if name.startswith(path.name.split(".")[0])]) == 1
