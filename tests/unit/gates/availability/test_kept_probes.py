"""What the leak probe found is kept with each week; weeks that are computed anew are probed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pipelines.core.files import sha256_of
from pipelines.core.findings import Finding, Verdict
from pipelines.core.time import Window
from pipelines.data.events import FileEvents
from pipelines.data.reader import EventReader
from pipelines.flows.frames import PROBED_POINTS, write_frame
from pipelines.flows.workspace import Workspace
from pipelines.spec.model import ModelSpec
from pipelines.training.split import SplitPlan
from tests.support.sales import SalesFolder, sales_model, sales_rows

__all__ = ["sales_model", "sales_rows"]
START = datetime(2026, 1, 7, tzinfo=UTC)  # a Wednesday
AS_OF = datetime(2026, 3, 23, tzinfo=UTC)  # a Monday; the labels of its last week have not matured
DAY = timedelta(days=1)


@dataclass
class World(SalesFolder):
    """A folder of sales, and the probes of frames that are read from it."""

    def probe(self, as_of: datetime = AS_OF, cache: str = "cache") -> Finding:
        """The probe of a frame from the same Monday on; each frame has a folder of its own."""
        self.messages.clear()
        source = FileEvents(self.store)
        events = EventReader(lambda _: {"sales": source}, self.folder / cache, self.messages.append)
        span = Window(START, as_of - 14 * DAY)
        recent = Window(span.end, as_of - 7 * DAY)
        plan = SplitPlan(as_of=as_of, maturity=7 * DAY, train=span, recent=recent)
        number = len([*self.folder.glob("run*")])
        workspace = Workspace.open_locked(self.folder / f"run{number}")
        snapshot = events.snapshot(self.spec.streams, as_of)
        [finding] = write_frame(events, self.spec, snapshot, plan, workspace).findings
        return finding

    @property
    def probed(self) -> list[str]:
        """What the newest frame probed."""
        return [text for text in self.messages if text.startswith("probing")]


@pytest.fixture
def world(
    tmp_path: Path, sales_model: Callable[..., ModelSpec], sales_rows: Callable[..., pa.Table]
) -> World:
    return World.of_80_days(tmp_path, sales_model, sales_rows)


def test_a_week_later_only_computed_weeks_are_probed(world: World) -> None:
    world.probe(AS_OF - 7 * DAY)
    assert world.probed == ["probing sampled points of 11 weeks"]
    later = world.probe()
    assert world.probed == ["probing sampled points of 3 weeks"]
    assert later == world.probe(cache="another"), "kept results change no finding"
    assert world.probed == ["probing sampled points of 12 weeks"]
    assert later.verdict is Verdict.PASS
    # Twelve weeks have three points each; the last has begun, with three points at its midnight.
    assert later.rows == 12 * 3
    assert later.rows >= PROBED_POINTS


def test_a_late_event_has_the_weeks_probed_again_that_it_touches(
    world: World, sales_rows: Callable[..., pa.Table]
) -> None:
    world.probe()
    known = pa.array([datetime(2026, 3, 20, 18, tzinfo=UTC)], pa.timestamp("us", "UTC"))
    world.add(sales_rows([34], sale=["late"], told_at=known))
    world.probe()
    assert world.probed == ["probing sampled points of 4 weeks"]


def test_a_kept_week_with_other_rows_is_reported_by_every_run(world: World) -> None:
    """A week was computed again by a release whose features saw a later row, and kept."""
    world.probe()
    folder = world.folder / "cache" / "frames"
    first = min(
        folder.glob("[!.]*"), key=lambda path: pq.read_table(path)["decision_time"][0].as_py()
    )
    rows = pq.read_table(first).to_pandas()
    pq.write_table(pa.Table.from_pandas(rows.assign(units_14d=rows.units_14d + 1)), folder / "new")
    first.unlink()
    (folder / "new").rename(folder / f"{first.name.partition('.')[0]}.{sha256_of(folder / 'new')}")
    found = world.probe()
    assert (found.verdict, found.value) == (Verdict.FAIL, 3)
    assert "units_14d" in found.reason
    assert world.probe() == found
    assert world.probed == ["probing sampled points of 3 weeks"], "two of them are always new"


def test_a_week_that_is_computed_again_with_the_same_rows_keeps_its_result(world: World) -> None:
    found = world.probe()
    for path in (world.folder / "cache" / "frames").glob("[!.]*"):
        path.unlink()
    assert world.probe() == found
    assert world.probed == ["probing sampled points of 2 weeks"], "the newest are always new"


def test_weeks_without_points_leave_more_for_the_others(
    world: World, sales_rows: Callable[..., pa.Table]
) -> None:
    """Fifteen shops with a point every four weeks: three of twelve weeks have points."""
    for number in range(12):
        shop = {"shop": [f"other-{number}"] * 80, "sale": [f"{number}:{i}" for i in range(80)]}
        world.add(sales_rows(range(80), **shop))
    declared = world.spec.as_json()
    declared["points"] = {**declared["points"], "every": "28d"}
    world.spec = ModelSpec.model_validate(declared)
    found = world.probe()
    assert world.probed == ["probing sampled points of 3 weeks"]
    assert (found.verdict, found.rows) == (Verdict.PASS, 3 * 11)
