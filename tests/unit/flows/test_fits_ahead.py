"""Which fits are made ahead, of which rows, and when they are used."""

from __future__ import annotations

import dataclasses
import os
import shutil
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import duckdb
import pandas as pd
import pyarrow.parquet as pq
import pytest

from pipelines.backtest.history import History
from pipelines.core.errors import DataError, IntegrityError, Unavailable
from pipelines.data.reader import EventReader
from pipelines.data.snapshot import Snapshot
from pipelines.flows import fits_ahead as module
from pipelines.flows.fits_ahead import FitsAhead, fit_key, fits_ahead
from pipelines.flows.frames import FRAME, read_rows, read_training_rows, write_points
from pipelines.flows.retrain.request import Request
from pipelines.spec.estimator import Search
from pipelines.spec.model import ModelSpec
from pipelines.training.fit import TooFewTrainingRows
from pipelines.training.split import split_plan
from tests.support.backtest.small_history import MONDAYS, SPEC, small_history
from tests.support.sales_home import AS_OF, connections_to, declaration, rows

WEEK = timedelta(days=7)
# An estimator whose fit depends on its seed: Ridge draws with one of its solvers.
DRAWS = SPEC.estimator.model_copy(update={"path": "sklearn.linear_model.Ridge"})
SEEDS = SPEC.model_copy(update={"seeds": (1, 2, 3), "estimator": DRAWS})
WEEKS = MONDAYS[6:9]


@pytest.fixture
def made(monkeypatch: pytest.MonkeyPatch) -> list[tuple[int, int]]:
    """Number of rows and seed of each fit that is made."""
    found: list[tuple[int, int]] = []

    def fit(_: ModelSpec, rows: pd.DataFrame, seed: int) -> Any:
        found.append((len(rows), seed))
        return object()

    monkeypatch.setattr(module, "fit_rows", fit)
    return found


@pytest.fixture
def ahead() -> Iterator[FitsAhead]:
    history = small_history()
    history.spec = SEEDS
    with ThreadPoolExecutor(1) as pool:
        yield FitsAhead(pool, history, WEEKS, lambda _: None)


def training_rows(ahead: FitsAhead, place: int) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Of twin and refit, as a retraining reads them."""
    plan, history = split_plan(SEEDS, WEEKS[place]), ahead.history
    assert history is not None
    assert plan.refit is not None
    twin, refit = (
        history.frame(history.part(window), WEEKS[place]) for window in (plan.train, plan.refit)
    )
    return twin, refit


def test_the_fits_of_a_week_and_the_next_are_begun_once(
    ahead: FitsAhead, made: list[tuple[int, int]]
) -> None:
    for week, fits in ((WEEKS[0], 6), (WEEKS[0], 6), (WEEKS[1], 9), (WEEKS[2], 9)):
        ahead.begin(week)
        ahead.pool.submit(int).result()
        assert len(made) == fits
    assert [seed for _, seed in made] == 3 * [2, 3, 1]


def test_a_retraining_gets_the_fit_of_its_rows_and_no_other(
    ahead: FitsAhead, made: list[tuple[int, int]]
) -> None:
    ahead.begin(WEEKS[0])
    twin, refit = training_rows(ahead, 0)
    first, second = ahead.fit(SEEDS, refit, 1), ahead.fit(SEEDS, twin, 2)
    assert first is not second
    ahead.pool.submit(int).result()
    assert len(made) == 6
    corrected = refit.assign(label=refit["label"].where(refit.index > 0, 99.0))
    for others in ((SEEDS, corrected, 1), (SEEDS, twin, 1), (SEEDS, refit, 1)):
        assert ahead.fit(*others) is not first
    assert len(made) == 9


def test_an_error_of_a_fit_is_raised_where_the_fit_is_needed(
    ahead: FitsAhead, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails_ahead(*_: object) -> None:
        if threading.current_thread() is not threading.main_thread():
            raise TooFewTrainingRows("no rows")

    monkeypatch.setattr(module, "fit_rows", fails_ahead)
    ahead.begin(WEEKS[0])
    twin, refit = training_rows(ahead, 0)
    ahead.fit(SEEDS, twin, 1)  # not made ahead
    for needed, seed in ((twin, 2), (twin, 3), (refit, 1)):
        with pytest.raises(TooFewTrainingRows):
            ahead.fit(SEEDS, needed, seed)


def test_what_no_retraining_needed_is_dropped_with_its_week(
    ahead: FitsAhead, made: list[tuple[int, int]]
) -> None:
    blocked = threading.Event()
    ahead.pool.submit(blocked.wait, 60)
    ahead.begin(WEEKS[0])
    ahead.begin(WEEKS[2])
    blocked.set()
    ahead.pool.submit(int).result()
    assert len(made) == 3, "the fits of two weeks that were passed over are not made"
    ahead.fit(SEEDS, training_rows(ahead, 0)[1], 1)
    ahead.fit(SEEDS, training_rows(ahead, 2)[1], 1)
    assert len(made) == 4


def test_own_estimators_are_not_fitted_in_threads(
    ahead: FitsAhead, made: list[tuple[int, int]]
) -> None:
    own = SEEDS.estimator.model_copy(update={"path": None, "function": "rates.model"})
    assert ahead.history is not None
    ahead.history.spec = SEEDS.model_copy(update={"estimator": own})
    ahead.begin(WEEKS[0])
    ahead.pool.submit(int).result()
    assert not made


def test_rows_that_cannot_be_used_end_no_earlier_week(
    ahead: FitsAhead, made: list[tuple[int, int]], monkeypatch: pytest.MonkeyPatch
) -> None:
    def unusable(*_: object) -> None:
        raise IntegrityError("a frame has another hash")

    monkeypatch.setattr(History, "frame", unusable)
    reported: list[str] = []
    ahead.progress = reported.append
    ahead.begin(WEEKS[0])
    assert not made
    assert reported == 2 * ["no fits are made ahead: a frame has another hash"]


def test_the_end_reports_running_fits_and_waits_for_them(
    ahead: FitsAhead, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun, blocked = threading.Event(), threading.Event()

    def fit(*_: object) -> None:
        begun.set()
        blocked.wait(60)

    def progress(text: str) -> None:
        reported.append(text)
        blocked.set()

    ahead.progress = progress

    reported: list[str] = []
    monkeypatch.setattr(module, "fit_rows", fit)
    ahead.begin(WEEKS[0])
    assert begun.wait(60)
    ahead.end()
    assert reported == ["waiting for fits to end: 1"]


def test_a_search_depends_on_times_and_features_that_are_no_input() -> None:
    size, *others = SPEC.features
    features = (size.model_copy(update={"input": False}), *others)
    plain = SPEC.model_copy(update={"features": features})
    search = Search(parameters={"fit_intercept": (True, False)})
    estimator = plain.estimator.model_copy(update={"search": search})
    searched = plain.model_copy(update={"estimator": estimator})
    history = small_history()
    rows = history.frame(history.part(split_plan(SPEC, WEEKS[0]).train), WEEKS[0])
    for other in (
        rows.assign(decision_time=rows["decision_time"] - timedelta(minutes=1)),
        rows.assign(size=rows["size"] + 1),
    ):
        assert fit_key(searched, other, 1) != fit_key(searched, rows, 1)
        assert fit_key(plain, other, 1) == fit_key(plain, rows, 1)


@pytest.mark.parametrize("most", [None, 300])
def test_the_rows_ahead_are_those_that_a_retraining_reads(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, most: int | None
) -> None:
    split = declaration()["split"] | {"max_rows": most}
    spec = ModelSpec.model_validate(declaration() | {"split": split})
    connections = connections_to(rows(), tmp_path, AS_OF)
    parts = dataclasses.replace(connections, load_spec=lambda _: spec).retraining
    weeks = (AS_OF - WEEK, AS_OF)
    events = parts.open_events(spec)
    with fits_ahead([Request(model="sales", as_of=at) for at in weeks], parts) as ahead:
        history = ahead.history
    assert history is not None
    for at in weeks:
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
        for window in (plan.train, plan.refit or plan.train):
            read, frame = read_rows(spec, path, window), history.frame(history.part(window), at)
            assert len(read)
            fitted = read_training_rows(spec, path, window).rows
            assert len(fitted) == (most or len(read))
            pd.testing.assert_frame_equal(frame, read)
            assert fit_key(spec, frame, 1) == fit_key(spec, fitted, 1)


def test_events_that_arrive_while_the_points_of_all_weeks_are_read_change_no_week(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    spec = ModelSpec.model_validate(declaration())
    connections = connections_to(rows(), tmp_path, AS_OF)
    parts = dataclasses.replace(connections, load_spec=lambda _: spec).retraining
    weeks = (AS_OF - WEEK, AS_OF)
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
        with fits_ahead([Request(model="sales", as_of=at) for at in weeks], parts):
            pass
    snapshot, path = events.snapshot(spec.streams, weeks[0]), tmp_path / FRAME
    start = split_plan(spec, weeks[0]).train.start
    with events.tables(snapshot, spec.streams) as tables:
        write_points(events, spec.frame, snapshot, tables, start, path)
        found = pq.read_table(path)
        shutil.rmtree(events.frames.folder)
        write_points(events, spec.frame, snapshot, tables, start, path)
    assert found.equals(pq.read_table(path))


@pytest.mark.parametrize(
    ("problem", "why"),
    [
        (DataError("a label is from the future"), "a label is from the future"),
        (IntegrityError("an event has another hash"), "an event has another hash"),
        (duckdb.IOException("cannot read"), "IOException('cannot read')"),
    ],
)
def test_nothing_is_made_ahead_where_the_last_week_cannot_be_used(
    monkeypatch: pytest.MonkeyPatch, problem: Exception, why: str
) -> None:
    def unusable(*_: object) -> None:
        raise problem

    monkeypatch.setattr(module, "_history", unusable)
    reported: list[str] = []
    parts: Any = SimpleNamespace(progress=reported.append)
    with fits_ahead([Request(model="sales", as_of=at) for at in WEEKS], parts) as ahead:
        ahead.begin(WEEKS[0])
    assert reported == [f"no fits are made ahead: {why}"]
    with fits_ahead([Request(model="sales", as_of=AS_OF)], parts) as ahead:
        assert ahead.history is None
    assert len(reported) == 1


def test_events_that_do_not_answer_end_a_backfill(monkeypatch: pytest.MonkeyPatch) -> None:
    def away(*_: object) -> None:
        raise Unavailable("the store does not answer")

    monkeypatch.setattr(module, "_history", away)
    requests = [Request(model="sales", as_of=at) for at in WEEKS]
    with pytest.raises(Unavailable), fits_ahead(requests, SimpleNamespace()):  # type: ignore[arg-type]
        pass


def test_there_are_at_most_as_many_threads_as_seeds_and_free_processors(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    history = small_history()
    history.spec = SEEDS
    monkeypatch.setattr(module, "_history", lambda *_: history)
    parts: Any = SimpleNamespace(progress=print)
    requests = [Request(model="shops", as_of=at) for at in WEEKS]
    for cores, threads in ((1, 1), (2, 1), (64, 3)):
        monkeypatch.setattr(module, "_cores", lambda many=cores: many)
        with fits_ahead(requests, parts) as ahead:
            assert vars(ahead.pool)["_max_workers"] == threads


def test_the_processors_of_the_process_are_those_of_the_machine_or_fewer() -> None:
    assert 1 <= module._cores() <= (os.cpu_count() or 1)
