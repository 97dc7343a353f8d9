"""Weeks that are prepared in another process end with the same versions and decisions."""

from __future__ import annotations

import json
import multiprocessing
import os
import signal
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import timedelta
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any, ClassVar

import duckdb
import pytest

from pipelines.core.errors import DataError, IntegrityError, SpecError, Unavailable
from pipelines.flows.ahead import weeks as module
from pipelines.flows.ahead.weeks import (
    MOST_WORKERS,
    WeeksAhead,
    Workers,
    refuse_workers,
    usual_workers,
    weeks_ahead,
)
from pipelines.flows.ahead.worker import OrderResult
from pipelines.flows.backfill import BackfillRequest, BackfillWeek, open_backfill
from pipelines.flows.retrain.request import Request
from pipelines.gates.recent_window.refit import ANSWERS
from pipelines.spec.model import ModelSpec
from tests.support.sales_home import (
    AS_OF,
    connections_to,
    declaration,
    home_in,
    parts_elsewhere,
    rows,
)
from tests.support.services.mlflow_database import put_database

WEEK = timedelta(days=7)
DAYS = 88
SPEC = ModelSpec.model_validate(declaration())
NOW = AS_OF + 28 * timedelta(days=1)
TAKEN = "waiting for what is prepared"
WEEKS = tuple(NOW - number * WEEK for number in (4, 3, 2, 1, 0))


class RecordingWorker:
    """Stands for a worker: it keeps its orders, and answers when it is asked to."""

    def __init__(self, ends_after: int = 99) -> None:
        self.orders: list[tuple[str, Any]] = []
        self.answered = 0
        self.ends_after = ends_after

    @property
    def open(self) -> int:
        return len(self.orders) - self.answered

    def order(self, name: str, work: Any) -> None:
        if len(self.orders) == self.ends_after:
            raise Unavailable("a process has ended", got="exit code -9")
        self.orders.append((name, work))

    def next_answer(self) -> OrderResult:
        self.answered += 1
        return OrderResult(self.orders[self.answered - 1][0])

    @property
    def weeks(self) -> list[tuple[int, bool]]:
        """Which weeks were ordered, and whether with their fits."""
        return [(WEEKS.index(work.args[0].as_of), work.args[1]) for _, work in self.orders]


def ahead(tmp_path: Path, *workers: Any, **split: Any) -> WeeksAhead:
    changed = declaration() | {"split": declaration()["split"] | split}
    spec = ModelSpec.model_validate(changed)
    requests = [Request(model="sales", as_of=at) for at in WEEKS]
    return WeeksAhead(requests, spec, workers, tmp_path, lambda _: None)


def test_a_week_is_fitted_once_the_version_that_is_its_twin_is_decided(tmp_path: Path) -> None:
    """The recent window of 14 days and its labels make the twin the refit of three weeks before."""
    worker = RecordingWorker()
    weeks = ahead(tmp_path, worker)
    weeks.begin(WEEKS[0])
    assert worker.weeks == [(1, True), (2, True)]
    weeks.begin(WEEKS[0])
    weeks.begin(WEEKS[1])
    assert worker.weeks == [(1, True), (2, True), (3, True)]
    weeks.begin(WEEKS[4])
    assert len(worker.weeks) == 3, "an earlier week is not prepared any more"


def test_a_week_that_needs_the_one_before_is_prepared_without_its_fits(tmp_path: Path) -> None:
    worker = RecordingWorker()
    weeks = ahead(tmp_path, worker)
    daily = tuple(Request(model="sales", as_of=at) for at in (WEEKS[0], WEEKS[3], WEEKS[4]))
    weeks.requests = daily
    weeks.begin(WEEKS[0])
    assert worker.weeks == [(3, False)]


def test_without_a_refit_no_week_waits_for_another(tmp_path: Path) -> None:
    worker = RecordingWorker()
    ahead(tmp_path, worker, refit=False).begin(WEEKS[0])
    assert worker.weeks == [(1, True), (2, True), (3, True)]


def test_workers_share_the_weeks_and_one_that_ended_gets_none(tmp_path: Path) -> None:
    one, two = RecordingWorker(ends_after=1), RecordingWorker()
    weeks = ahead(tmp_path, one, two, refit=False)
    weeks.begin(WEEKS[0])
    assert one.weeks == [(1, True)]
    assert two.weeks == [(2, True), (3, True), (4, True)]
    assert list[Any](weeks.workers) == [two]


def test_there_are_never_more_workers_than_other_processors(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for cores, most in ((1, 0), (2, 1), (64, MOST_WORKERS)):
        monkeypatch.setattr(os, "sched_getaffinity", lambda _, many=cores: set(range(many)))
        monkeypatch.setattr(os, "sysconf", lambda name: {"SC_PAGE_SIZE": 4096}.get(name, 2**24))
        assert usual_workers("duckdb") == most
        assert usual_workers("local[2]") == 0, "each would have a session of its own"
    monkeypatch.setattr(os, "sysconf", lambda name: {"SC_PAGE_SIZE": 4096}.get(name, 2**20))
    assert usual_workers("duckdb") == 0, "4 GiB are enough for one process"


@pytest.mark.parametrize("engine", ["local[2]", "spark://host:7077", "sc://host:15002"])
def test_workers_are_refused_on_spark(engine: str) -> None:
    refuse_workers("duckdb")
    with pytest.raises(SpecError, match="DuckDB only"):
        refuse_workers(engine)


@pytest.mark.parametrize(
    ("problem", "why"),
    [
        (DataError("a label is from the future"), "a label is from the future"),
        (IntegrityError("an event has another hash"), "an event has another hash"),
        (duckdb.IOException("cannot read"), "IOException('cannot read')"),
    ],
)
def test_a_last_week_that_cannot_be_used_ends_no_earlier_week(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, problem: Exception, why: str
) -> None:
    reported: list[str] = []
    raise_from_within(monkeypatch, problem)
    parts: Any = SimpleNamespace(progress=reported.append, runs=SimpleNamespace(folder=tmp_path))
    requests = [Request(model="sales", as_of=at) for at in WEEKS]
    with weeks_ahead(requests, SPEC, parts, None):
        assert reported == [f"features could not be prepared: {why}"]
    with weeks_ahead(requests[:1], SPEC, parts, None):
        assert len(reported) == 1, "one week is left to its retraining"


def test_events_that_do_not_answer_end_a_backfill(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    raise_from_within(monkeypatch, Unavailable("the store does not answer"))
    requests = [Request(model="sales", as_of=at) for at in WEEKS]
    parts: Any = SimpleNamespace(progress=print, runs=SimpleNamespace(folder=tmp_path))
    with pytest.raises(Unavailable), weeks_ahead(requests, SPEC, parts, None):
        pass


@pytest.mark.parametrize("started", [0, 1])
def test_a_backfill_goes_on_with_the_workers_that_could_be_started(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, started: int
) -> None:
    class Limited(RecordingWorker):
        begun: ClassVar[list[Limited]] = []

        def __init__(self, *_: object) -> None:
            super().__init__()
            if len(self.begun) == started:
                raise BlockingIOError(11, "Resource temporarily unavailable")
            self.begun.append(self)

        def end(self) -> None:
            ended.append(self)

    ended, here, reported = list[Limited](), list[object](), list[str]()
    monkeypatch.setattr(module, "Worker", Limited)
    monkeypatch.setattr(module, "compute_features", lambda *given: here.append(given))
    parts: Any = SimpleNamespace(progress=reported.append, runs=SimpleNamespace(folder=tmp_path))
    requests = [Request(model="sales", as_of=at) for at in WEEKS]
    with weeks_ahead(requests, SPEC, parts, Workers(lambda: parts, 2)) as weeks:
        assert len(weeks.workers) == started
        assert len(here) == (0 if started else 1), "features are computed in one place"
        assert [name for one in Limited.begun for name, _ in one.orders] == ["features"] * started
    assert ended == Limited.begun
    [why] = reported
    assert why.startswith("a process that prepares weeks could not be started: BlockingIOError")


def raise_from_within(monkeypatch: pytest.MonkeyPatch, problem: Exception) -> None:
    def raises(*_: object) -> None:
        raise problem

    monkeypatch.setattr(module, "compute_features", raises)


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("events")
    connections_to(rows(DAYS), folder, NOW)
    return folder / "store"


def new_home(folder: Path, store: Path) -> None:
    put_database(folder / "home" / "mlflow.db")
    home_in(folder, store, NOW).declare()


def backfill(
    folder: Path, store: Path, number: int, progress: Callable[[str], None] = lambda _: None
) -> Iterator[BackfillWeek]:
    """A backfill of all weeks with so many workers."""
    parts = home_in(folder, store, NOW).parts
    request = BackfillRequest(model="sales", as_of=WEEKS, from_scratch=True)
    workers = Workers(partial(parts_elsewhere, folder, store, NOW), number)
    return open_backfill(request, replace(parts, progress=progress), workers).weeks()


def all_weeks(folder: Path, store: Path) -> None:
    for _ in backfill(folder, store, 1):
        pass


def written(folder: Path, store: Path) -> dict[str, Any]:
    """Every file of the registry and every entry of the ledger.

    A version also shows when its run began by the clock of the file system, which differs.
    """
    files: dict[str, Any] = {}
    for path in (folder / "registry").rglob("*"):
        if path.is_file():
            files[str(path.relative_to(folder))] = path.read_bytes()
            if path.name == "version.json":
                facts = json.loads(path.read_bytes())
                facts.get("shown", {}).pop("started", None)
                files[str(path.relative_to(folder))] = facts
    ledger = parts_elsewhere(folder, store, NOW).ledger
    [lineage] = [one for one in ledger.lineages("sales") if one != "live"]
    return files | {"ledger": [one.as_json() for one in ledger.entries("sales", lineage)]}


def children() -> set[int]:
    listed = Path(f"/proc/{os.getpid()}/task/{os.getpid()}/children").read_text(encoding="ascii")
    return {int(one) for one in listed.split()}


@pytest.fixture(scope="module")
def alone(store: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[list[BackfillWeek], Any]:
    """The weeks without a worker, and what they wrote."""
    folder = tmp_path_factory.mktemp("alone")
    new_home(folder, store)
    weeks = list(backfill(folder, store, 0))
    return weeks, written(folder, store)


def test_versions_and_decisions_are_those_of_a_backfill_without_workers(
    alone: tuple[list[BackfillWeek], Any], store: Path, tmp_path: Path
) -> None:
    """Two weeks are prepared before there is a champion, and decided with one."""
    messages: list[str] = []
    new_home(tmp_path, store)
    assert list(backfill(tmp_path, store, 1, messages.append)) == alone[0]
    assert written(tmp_path, store) == alone[1]
    assert len([text for text in messages if text.endswith(TAKEN)]) == len(WEEKS) - 1
    [answers] = [one for one in alone[1]["ledger"][-1]["findings"] if one["name"] == ANSWERS]
    assert "4 past refits of this recipe" in answers["reason"], "of the weeks before"
    fits = [text for text in messages if "fitting the refit" in text]
    assert len(fits) == 1, "the first process fits the first week only"
    assert not list((tmp_path / "home" / "runs").glob(".draft-*"))


def test_weeks_are_decided_alike_after_their_worker_was_killed(
    alone: tuple[list[BackfillWeek], Any], store: Path, tmp_path: Path
) -> None:
    """It is killed when the first process begins to wait for it."""
    messages, before = list[str](), children()
    new_home(tmp_path, store)

    def kill(text: str) -> None:
        messages.append(text)
        if text.endswith(TAKEN):
            for worker in children() - before:
                os.kill(worker, signal.SIGKILL)

    assert list(backfill(tmp_path, store, 1, kill)) == alone[0]
    assert written(tmp_path, store) == alone[1]
    [ended] = [text for text in messages if "has ended" in text]
    assert ended.endswith(
        "a process that prepares weeks has ended, exit code -9; fewer weeks are prepared"
    )


def test_the_end_of_a_backfill_ends_its_workers(store: Path, tmp_path: Path) -> None:
    before = children()
    new_home(tmp_path, store)
    weeks = backfill(tmp_path, store, 2)
    next(weeks)
    assert len(children() - before) >= 2
    weeks.close()  # type: ignore[attr-defined]  # it is a generator
    assert children() <= before


def test_a_backfill_that_was_killed_while_a_worker_prepares_goes_on(
    alone: tuple[list[BackfillWeek], Any], store: Path, tmp_path: Path
) -> None:
    new_home(tmp_path, store)
    first = multiprocessing.get_context("spawn").Process(target=all_weeks, args=(tmp_path, store))
    first.start()
    runs = tmp_path / "home" / "runs"
    while not list(runs.glob(".draft-*/content/*/frame.parquet")):
        assert first.is_alive()
        time.sleep(0.02)
    first.kill()
    first.join()
    assert list(runs.glob(".draft-*"))
    assert list(backfill(tmp_path, store, 1)) == alone[0]
    assert written(tmp_path, store) == alone[1]
    assert not list(runs.glob(".draft-*"))
