"""A history that reads its frame in parts is the one that holds all rows."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from pipelines.adapters.objects.local import LocalStore
from pipelines.backtest import history as history_of_backtest
from pipelines.backtest.history import History
from pipelines.backtest.predictions import Predictions
from pipelines.backtest.versions import version_as_of
from pipelines.core.time import Window, parse_instant
from pipelines.core.weeks import WEEK
from pipelines.data.events import FileEvents
from pipelines.data.ingest.partitions import write_events
from pipelines.data.reader import EventReader
from pipelines.flows.backtest.frame_history import frame_history
from pipelines.flows.backtest.labels import labels_that_changed
from pipelines.flows.frames import FRAME, frame_rows, read_rows, write_points
from pipelines.spec.model import ModelSpec
from pipelines.training.columns import labelled_rows
from pipelines.training.sample import limited_rows
from tests.support.backtest.small_history import BEGIN, SPEC, small_history
from tests.support.sales import sales_model, sales_rows

__all__ = ["sales_model", "sales_rows"]
SPAN = Window(BEGIN, BEGIN + 12 * WEEK)
AT = BEGIN + 6 * WEEK
LIMIT = 100


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    found = tmp_path_factory.mktemp("frame") / FRAME
    small_history().rows.to_parquet(found, index=False, row_group_size=90)
    return found


def both(path: Path, spec: ModelSpec = SPEC) -> tuple[History, History]:
    """A history of all rows, and one that reads them in parts."""
    stored = frame_rows(spec, path, SPAN)
    rows = read_rows(spec, path, SPAN)
    return History(spec, rows), History(spec, stored.points, read=stored.read)


def limited() -> ModelSpec:
    return SPEC.model_copy(update={"split": SPEC.split.model_copy(update={"max_rows": LIMIT})})


def test_rows_labels_inputs_and_hashes_are_equal(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(history_of_backtest, "HASHED_ROWS", 100)
    whole, stored = both(path)
    for weeks in (Window(BEGIN, AT), Window(AT, AT + WEEK), Window(AT, AT), SPAN):
        part = whole.part(weeks)
        assert part == stored.part(weeks)
        assert whole.digest(part) == stored.digest(part)
        assert whole.digest_with_labels(part, AT) == stored.digest_with_labels(part, AT)
        pd.testing.assert_frame_equal(whole.frame(part, AT), stored.frame(part, AT))
        places = np.arange(part.start, part.stop)
        pd.testing.assert_frame_equal(
            whole.inputs(places), stored.inputs(places), check_index_type=False
        )


def test_what_is_kept_of_one_answers_for_the_other(path: Path, tmp_path: Path) -> None:
    """So a backtest goes on with the fits that it made before."""
    version, fits = version_as_of(SPEC, AT), list[str]()
    week = Window(AT, AT + WEEK)
    answers = []
    for history in both(path):
        kept = Predictions(history, tmp_path, 4, fits.append, timedelta(days=7))
        answers.append(kept.of(version.serves, history.part(week)))
    assert len(fits) == 1
    one, other = answers
    assert np.array_equal(one, other)


def test_only_the_sample_is_read_for_a_fit(path: Path) -> None:
    spec = limited()
    whole, stored = both(path, spec)
    span = whole.part(Window(BEGIN, AT))
    read: list[int] = []
    reading = stored._read

    def counted(rows: slice | np.ndarray) -> pd.DataFrame:
        found = reading(rows)
        read.append(len(found))
        return found

    stored._read = counted
    wanted = limited_rows(spec, labelled_rows(whole.frame(span, AT))).reset_index(drop=True)
    found = stored.training_rows(span, AT)
    pd.testing.assert_frame_equal(found, wanted)
    pd.testing.assert_frame_equal(whole.training_rows(span, AT), wanted)
    assert read == [LIMIT]


def test_labels_that_were_others_before_are_found(
    tmp_path: Path, sales_model: Callable[..., ModelSpec], sales_rows: Callable[..., pa.Table]
) -> None:
    """Three shops sell by turns and report ten days late: a week's count is complete only then."""
    spec, end = sales_model(), parse_instant("2026-03-30")
    window = Window(parse_instant("2026-01-12"), end)
    mondays = [*Window(parse_instant("2026-01-26"), end).steps(WEEK)]
    store = LocalStore(tmp_path / "store")
    write_events(store, "sales", sales_rows(range(80), late_h=240), "told_at")
    events = EventReader(lambda _: {"sales": FileEvents(store)}, tmp_path / "cache")
    snapshot = events.snapshot(spec.streams, end)
    with events.tables(snapshot, spec.streams) as tables:
        write_points(events, spec.frame, snapshot, tables, window.start, tmp_path / FRAME)
    rows = read_rows(spec, tmp_path / FRAME, window)
    changed = labels_that_changed(events, spec, snapshot, rows, mondays, lambda _: None)
    assert changed, "no label changed"
    whole = History(spec, rows, changed)
    stored = frame_history(
        events, spec, snapshot, tmp_path / FRAME, window, mondays, lambda _: None
    )
    assert stored.late_labels == whole.late_labels > 0
    for at in mondays:
        pd.testing.assert_series_equal(
            stored.labels(slice(0, len(rows)), at), whole.labels(slice(0, len(rows)), at)
        )
