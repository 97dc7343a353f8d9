"""Reports as rows of a stream, read back as any other stream."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from pipelines.adapters.objects.local import LocalStore
from pipelines.data.events import FileEvents, NoEvents
from pipelines.data.reader import EventReader
from pipelines.monitoring.report import Cause
from pipelines.monitoring.stream import monitor_stream, write_report
from tests.support.monitor_reports import DAY, MONDAY, alarm, measured_report


def test_the_rows_of_a_report_are_written_once_and_read_as_events(tmp_path: Path) -> None:
    store, report = LocalStore(tmp_path / "store"), measured_report(alarm(Cause.MODEL, "mae", 2.0))
    for later in (timedelta(hours=1), DAY):
        write_report(store, report, MONDAY + later)
    streams = {"monitor": monitor_stream("demand")}
    reader = EventReader(lambda _: {"monitor": FileEvents(store)}, tmp_path / "cache")
    with reader.tables(reader.snapshot(streams, MONDAY + 2 * DAY), streams) as tables:
        rows = tables["monitor"].execute()
    assert set(rows["known_time"]) == {(MONDAY + timedelta(hours=1)).replace(tzinfo=None)}
    assert rows["kind"].value_counts().to_dict() == {
        "performance": 4,
        "drift": 4,
        "health": 1,
        "age": 1,
        "alarm": 1,
        "training_range": 1,
    }
    [found] = rows[rows["kind"] == "alarm"].to_dict("records")
    assert (found["name"], found["cost"], found["cause"]) == ("model.mae", 2.0, "model")
    with pytest.raises(NoEvents):  # they were not known before they were written
        reader.snapshot(streams, MONDAY)
