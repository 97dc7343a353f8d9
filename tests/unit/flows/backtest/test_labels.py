"""Labels of a stream whose events arrive late: each Monday has those that were known on it."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa

from pipelines.adapters.objects.local import LocalStore
from pipelines.core.time import Window, parse_instant
from pipelines.data.events import FileEvents
from pipelines.data.ingest.partitions import write_events
from pipelines.data.reader import EventReader
from pipelines.flows.backtest.labels import labels_that_changed
from pipelines.flows.frames import FRAME, read_rows, write_frame
from pipelines.flows.workspace import Workspace
from pipelines.spec.model import ModelSpec
from pipelines.training.split import split_plan
from tests.support.sales import sales_model, sales_rows

__all__ = ["sales_model", "sales_rows"]
END = parse_instant("2026-03-30")
MONDAYS = tuple(Window(parse_instant("2026-01-26"), END).steps(timedelta(days=7)))


def changed(folder: Path, spec: ModelSpec, rows: pa.Table) -> tuple[Any, Any]:
    """The frame as of the end, and the labels that were others before."""
    store = LocalStore(folder / "store")
    write_events(store, "sales", rows, "told_at")

    def sources(streams: Any) -> Any:
        return {name: FileEvents(store) for name in streams}

    events = EventReader(sources, folder / "cache")
    snapshot = events.snapshot(spec.streams, END)
    space = Workspace.open_locked(folder / "work")
    plan = split_plan(spec, END)
    write_frame(events, spec, snapshot, plan, space)
    frame = read_rows(spec, space.path(FRAME), Window(plan.train.start, END))
    return frame, labels_that_changed(events, spec, snapshot, frame, MONDAYS, lambda _: None)


def test_labels_are_final_when_every_event_is_known_within_the_delay(
    tmp_path: Path, sales_model: Callable[..., ModelSpec], sales_rows: Callable[..., pa.Table]
) -> None:
    spec = sales_model()
    label = spec.label.model_copy(update={"delay": timedelta(days=1)})
    spec = spec.model_copy(update={"label": label})
    _, found = changed(tmp_path, spec, sales_rows(range(80), late_h=20))
    assert found == {}


def test_a_monday_has_the_labels_that_were_known_on_it(
    tmp_path: Path, sales_model: Callable[..., ModelSpec], sales_rows: Callable[..., pa.Table]
) -> None:
    """Three shops sell by turns and report ten days late: a week's count is complete only then."""
    frame, found = changed(tmp_path, sales_model(), sales_rows(range(80), late_h=240))
    assert found, "no label changed"
    at, earlier = next(iter(found.items()))
    matured = frame.loc[earlier.index, "matured_at"]
    assert (matured <= at.replace(tzinfo=None)).all()
    late = matured + timedelta(days=10)
    assert (late > at.replace(tzinfo=None)).all(), "after ten more days nothing changes"
    final = frame.loc[earlier.index, "label"]
    assert (earlier.fillna(0.0) < final).all(), "fewer sales were known"
