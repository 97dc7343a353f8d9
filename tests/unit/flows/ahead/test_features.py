"""The features of all weeks of a backfill are those that each retraining would compute."""

from __future__ import annotations

import dataclasses
import shutil
from datetime import timedelta
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from pipelines.data.reader import EventReader
from pipelines.data.snapshot import Snapshot
from pipelines.flows.ahead.features import compute_features
from pipelines.flows.frames import FRAME, write_points
from pipelines.flows.retrain.request import Request
from pipelines.spec.model import ModelSpec
from pipelines.training.split import split_plan
from tests.support.sales_home import AS_OF, connections_to, declaration, rows

WEEK = timedelta(days=7)
WEEKS = (AS_OF - WEEK, AS_OF)
REQUESTS = [Request(model="sales", as_of=at) for at in WEEKS]


def test_a_retraining_finds_its_points(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    spec = ModelSpec.model_validate(declaration())
    connections = connections_to(rows(), tmp_path, AS_OF)
    parts = dataclasses.replace(connections, load_spec=lambda _: spec).retraining
    events = parts.open_events(spec)
    compute_features(REQUESTS, parts)
    for at in WEEKS:
        plan, snapshot = split_plan(spec, at), events.snapshot(spec.streams, at)
        path, computed = tmp_path / FRAME, list[str]()
        with events.tables(snapshot, spec.streams) as tables:
            monkeypatch.setattr(events, "progress", computed.append)
            write_points(events, spec.frame, snapshot, tables, plan.train.start, path)
            cut = pq.read_table(path)
            assert [text for text in computed if "computing" in text] == [] or at == AS_OF
            shutil.rmtree(events.frames.folder)
            write_points(events, spec.frame, snapshot, tables, plan.train.start, path)
            assert pq.read_table(path).equals(cut)


def test_events_that_arrive_while_the_points_of_all_weeks_are_read_change_no_week(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    spec = ModelSpec.model_validate(declaration())
    connections = connections_to(rows(), tmp_path, AS_OF)
    parts = dataclasses.replace(connections, load_spec=lambda _: spec).retraining
    events, take = parts.open_events(spec), EventReader.snapshot

    def then_more_rows(reader: EventReader, *what: Any, **how: Any) -> Snapshot:
        """Repeat the rows of an old day in another file of its folder once a snapshot is taken."""
        taken = take(reader, *what, **how)
        day = tmp_path / "store" / "sales" / f"dt={AS_OF - 1.5 * WEEK:%Y-%m-%d}"
        [first, *_] = sorted(day.glob("*.parquet"))
        if not (more := first.with_name("more.parquet")).exists():
            shutil.copy(first, more)
        return taken

    with monkeypatch.context() as while_read:
        while_read.setattr(EventReader, "snapshot", then_more_rows)
        compute_features(REQUESTS, parts)
    snapshot, path = events.snapshot(spec.streams, WEEKS[0]), tmp_path / FRAME
    start = split_plan(spec, WEEKS[0]).train.start
    with events.tables(snapshot, spec.streams) as tables:
        write_points(events, spec.frame, snapshot, tables, start, path)
        found = pq.read_table(path)
        shutil.rmtree(events.frames.folder)
        write_points(events, spec.frame, snapshot, tables, start, path)
    assert found.equals(pq.read_table(path))
