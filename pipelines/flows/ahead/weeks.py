"""Which weeks of a backfill are prepared, and when."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from pathlib import Path

from pipelines.core.errors import SpecError, Unavailable
from pipelines.core.files import draft_in, sweep_drafts
from pipelines.core.time import instant_text
from pipelines.data.events import Progress
from pipelines.flows.ahead.features import compute_features
from pipelines.flows.ahead.worker import Start, Work, Worker, reason_of
from pipelines.flows.retrain.request import Request
from pipelines.flows.retrain.run import RetrainCollaborators, name_run
from pipelines.flows.retrain.steps import prepare
from pipelines.flows.workspace import Workspace
from pipelines.spec.model import ModelSpec
from pipelines.training.split import split_plan

MOST_WORKERS = 3
MEMORY_EACH = 3 << 30  # bytes; a retraining of ten million events takes 2 GiB
FURTHER = 2  # weeks that are ordered beyond one for each worker


@dataclass(frozen=True)
class Workers:
    """The processes that prepare weeks.

    Arguments:
        start: makes the collaborators of a retraining in a new process; it can be pickled.
        number: how many there are at most; zero: nothing is prepared.
    """

    start: Start
    number: int


def usual_workers(engine: str) -> int:
    """How many workers a backfill has, at most ``MOST_WORKERS``.

    With the process that decides, there are as many as processors that may be used, and no more
    than the machine has memory for, ``MEMORY_EACH`` a process. On Spark there is none.

    Arguments:
        engine: ``GAUNTLET_ENGINE``.
    """
    if engine != "duckdb":  # see ``refuse_workers``
        return 0
    if hasattr(os, "sched_getaffinity"):  # Linux
        cores = len(os.sched_getaffinity(0))
    else:
        cores = os.cpu_count() or 1
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // MEMORY_EACH
    return max(0, min(cores - 1, memory - 1, MOST_WORKERS))


def refuse_workers(engine: str) -> None:
    """Refuse workers on Spark, where each would have a session of its own.

    A standalone cluster gives all its cores to the first session: the process that decides would
    wait for its worker, and the worker for cores. On a server of Spark Connect, a worker would
    leave the rows that executors keep for it, because it is killed at the end.

    Arguments:
        engine: ``GAUNTLET_ENGINE``.

    Raises:
        SpecError: it is one of Spark.
    """
    if engine != "duckdb":
        raise SpecError(
            "weeks can be prepared with DuckDB only",
            where="--workers",
            got=f"GAUNTLET_ENGINE={engine}",
            wanted="--workers 0",
            hint="on Spark, the weeks are retrained one after another",
        )


def prepare_week(
    request: Request, fits: bool, folder: Path, collaborators: RetrainCollaborators
) -> None:
    """Write what can be prepared of a week to a folder that is named by what it depends on.

    Arguments:
        request: of its retraining.
        fits: whether the candidate is fitted as well.
        folder: gets the folder.
        collaborators: what its retraining works with.

    Raises:
        GauntletError: as the retraining itself would.
    """
    named = name_run(request, collaborators)
    prepare(named.open(lambda basis: Workspace.open_locked(folder / basis)), fits=fits)


class WeeksAhead:
    """The coming weeks of a backfill.

    A week's candidate is fitted ahead once the version is decided whose refit is its twin.

    Arguments:
        requests: of the weeks to decide, oldest first.
        spec: the declaration.
        workers: prepare them.
        folder: that the workers write to.
        progress: reports what cannot be prepared.
    """

    def __init__(
        self,
        requests: Sequence[Request],
        spec: ModelSpec,
        workers: Sequence[Worker],
        folder: Path,
        progress: Progress,
    ) -> None:
        self.requests, self.spec, self.workers = requests, spec, list(workers)
        self.folder, self.progress = folder, progress
        self._ordered: dict[str, Worker] = {}
        self._begun: set[datetime] = set()

    def features(self) -> None:
        """Order the features of all weeks."""
        self._order("features", partial(compute_features, self.requests))

    def begin(self, as_of: datetime) -> None:
        """Order the weeks after an instant that can be prepared while its week is decided."""
        coming = [one for one in self.requests if one.as_of > as_of]
        for place, request in enumerate(coming[: len(self.workers) + FURTHER]):
            if request.as_of in self._begun:
                continue
            fits = not self.spec.split.refit or self._twin_of(request) < as_of
            if place and not fits:
                break
            self._begun.add(request.as_of)
            work = partial(prepare_week, request, fits, self.folder)
            self._order(instant_text(request.as_of), work)

    def prepared(self, as_of: datetime, basis: str) -> Path | None:
        """The folder of a week, after the end of its preparation; ``None`` if there is none.

        Arguments:
            as_of: of the week.
            basis: what its preparation must have depended on.
        """
        name = instant_text(as_of)
        worker = self._ordered.pop(name, None)
        if worker is None:
            return None
        if worker in self.workers:
            self._wait(worker, name)
        folder = self.folder / basis
        return folder if folder.is_dir() else None

    def _twin_of(self, request: Request) -> datetime:
        """As-of of the version whose refit is the twin."""
        return split_plan(self.spec, request.as_of).trained_until

    def _order(self, name: str, work: Work) -> None:
        while self.workers:
            worker = min(self.workers, key=lambda one: one.open)
            try:
                worker.order(name, work)
            except Unavailable as problem:
                self._without(worker, problem)
            else:
                self._ordered[name] = worker
                return

    def _wait(self, worker: Worker, name: str) -> None:
        self.progress("waiting for what is prepared")
        try:
            while True:
                answer = worker.next_answer()
                if answer.problem:
                    self.progress(f"{answer.name} could not be prepared: {answer.problem}")
                if answer.name == name:
                    return
        except Unavailable as problem:
            self._without(worker, problem)

    def _without(self, worker: Worker, problem: Unavailable) -> None:
        self.workers.remove(worker)
        self.progress(f"{problem.what}, {problem.got}; fewer weeks are prepared")


@contextmanager
def weeks_ahead(
    requests: Sequence[Request],
    spec: ModelSpec,
    collaborators: RetrainCollaborators,
    workers: Workers | None,
) -> Iterator[WeeksAhead]:
    """Compute the features of all weeks, and prepare weeks until the block ends.

    A worker computes the features while the first week is retrained; without workers they are
    computed before it. Nothing is done ahead of a single week. If a worker cannot be started, those
    before it prepare the weeks, and progress shows why.

    Arguments:
        requests: of the weeks to decide, oldest first.
        spec: the declaration.
        collaborators: what their retrainings work with.
        workers: how many processes prepare weeks; ``None``: none does.

    Raises:
        Unavailable: the events do not answer.
    """
    number = min(workers.number, len(requests) - 1) if workers else 0
    if workers is None or number < 1:
        sweep_drafts(collaborators.runs.folder)  # of a backfill that was killed
        if len(requests) > 1:
            features_here(requests, collaborators)
        yield WeeksAhead(requests, spec, (), collaborators.runs.folder, collaborators.progress)
        return
    begun: list[Worker] = []
    with draft_in(collaborators.runs.folder) as folder:
        try:
            try:
                begun += (Worker(workers.start, spec) for _ in range(number))
            except OSError as problem:  # such as no memory, or too many processes
                why = f"a process that prepares weeks could not be started: {reason_of(problem)}"
                collaborators.progress(f"{why}; fewer weeks are prepared")
            ahead = WeeksAhead(requests, spec, begun, folder, collaborators.progress)
            if begun:
                ahead.features()
            else:
                features_here(requests, collaborators)
            yield ahead
        finally:
            for worker in begun:
                worker.end()


def features_here(requests: Sequence[Request], collaborators: RetrainCollaborators) -> None:
    """Compute the features of all weeks in this process.

    What prevents it is reported as progress: the retraining of the week that has the problem
    raises it.

    Arguments:
        requests: the retrainings, oldest first.
        collaborators: what they work with.

    Raises:
        Unavailable: the events do not answer.
    """
    try:
        compute_features(requests, collaborators)
    except Unavailable:
        raise
    except Exception as problem:
        collaborators.progress(f"features could not be prepared: {reason_of(problem)}")
