"""Fits of coming weeks, made in threads while the weeks before them are decided.

A fit depends on the recipe, its rows and its seed, not on decisions. A retraining gets one that was
made ahead only if it has the same rows, so a backfill decides as it would without them. Estimators
that hold Python's interpreter lock while they fit gain nothing.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from datetime import datetime
from typing import TYPE_CHECKING

from pipelines.core.errors import GauntletError, Unavailable
from pipelines.core.files import working_folder
from pipelines.core.redaction import redacted
from pipelines.core.time import Window
from pipelines.flows.frames import FRAME, keep_newest_weeks, read_rows, write_points
from pipelines.flows.retrain.request import Request
from pipelines.flows.retrain.run import RetrainCollaborators, fit_rows, requested_spec
from pipelines.training.split import split_plan

if TYPE_CHECKING:
    import pandas as pd

    from pipelines.backtest.history import History
    from pipelines.data.events import Progress
    from pipelines.spec.model import ModelSpec
    from pipelines.training.fit import Fitted


class FitsAhead:
    """The fits of coming weeks.

    Arguments:
        pool: makes them.
        history: the decision points of all weeks, with the labels as known at each; ``None``:
            nothing is made ahead.
        dates: the instants of the weeks, increasing.
        progress: reports why no fits are made, and how many are waited for.
    """

    def __init__(
        self,
        pool: ThreadPoolExecutor,
        history: History | None,
        dates: Sequence[datetime],
        progress: Progress,
    ) -> None:
        self.pool, self.history, self.dates, self.progress = pool, history, dates, progress
        self._made: dict[datetime, dict[str, Future[Fitted]]] = {}
        self._running: set[Future[Fitted]] = set()

    def begin(self, as_of: datetime) -> None:
        """Begin the fits of the next two weeks from an instant on, unless they have begun.

        Those of earlier weeks that no retraining needed are dropped. What prevents the fits of a
        week is reported as progress.
        """
        for past in [one for one in self._made if one < as_of]:
            for left in self._made.pop(past).values():
                left.cancel()
        for one in [one for one in self.dates if one >= as_of][:2]:
            if one not in self._made:
                self._made[one] = {}
                try:
                    self._begin(one)
                except Exception as problem:
                    _report(problem, self.progress)

    def _begin(self, as_of: datetime) -> None:
        """The refit, and the twins of all seeds but the first: that is an earlier week's refit.

        An own estimator may draw from NumPy's global state, so its fits take turns.
        """
        if self.history is None or self.history.spec.estimator.function is not None:
            return
        from pipelines.training.estimator import distinct_seeds

        spec = self.history.spec
        plan, (first, *others) = split_plan(spec, as_of), distinct_seeds(spec)
        for window, seeds in ((plan.train, others), (plan.refit, [first])):
            if window is None or not seeds:
                continue
            rows = self.history.frame(self.history.part(window), as_of)
            for seed in seeds:
                key = fit_key(spec, rows, seed)
                self._made[as_of][key] = fitted = self.pool.submit(fit_rows, spec, rows, seed)
                self._running.add(fitted)
                fitted.add_done_callback(self._running.discard)

    def fit(self, spec: ModelSpec, rows: pd.DataFrame, seed: int) -> Fitted:
        """As ``training.fit.fit``, but a fit of these rows that was begun is not made again."""
        key = fit_key(spec, rows, seed)
        for week in self._made.values():
            if made := week.pop(key, None):
                return made.result()
        return fit_rows(spec, rows, seed)

    def end(self) -> None:
        """Begin no fit any more, and wait for those that run: a thread cannot be stopped."""
        self.pool.shutdown(wait=False, cancel_futures=True)
        if self._running:
            self.progress(f"waiting for fits to end: {len(self._running)}")
        self.pool.shutdown()


@contextmanager
def fits_ahead(
    requests: Sequence[Request], collaborators: RetrainCollaborators
) -> Iterator[FitsAhead]:
    """Build the features of all weeks at once, and make fits until the block ends.

    Weeks of decision points are kept, so the retrainings find what was computed here. Nothing is
    made ahead of a single retraining, or if the events of the last one cannot be used. What cannot
    be made ahead is reported as progress, and left to the retraining that needs it.

    Arguments:
        requests: the retrainings, oldest first.
        collaborators: what they work with.

    Raises:
        Unavailable: the events do not answer.
    """
    history = None
    if len(requests) > 1:
        try:
            history = _history(requests, collaborators)
        except Unavailable:
            raise
        except Exception as problem:
            _report(problem, collaborators.progress)
    seeds = len(history.spec.seeds) if history else 1
    pool = ThreadPoolExecutor(max(1, min(seeds, _cores() - 1)), thread_name_prefix="fit")
    dates = [one.as_of for one in requests]
    ahead = FitsAhead(pool, history, dates, collaborators.progress)
    try:
        yield ahead
    finally:
        ahead.end()


def _report(problem: Exception, progress: Progress) -> None:
    why = problem.summary if isinstance(problem, GauntletError) else repr(problem)
    progress(f"no fits are made ahead: {redacted(why)}")


def _cores() -> int:
    """The processors that this process may use."""
    if hasattr(os, "sched_getaffinity"):  # Linux
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _history(requests: Sequence[Request], collaborators: RetrainCollaborators) -> History:
    """The decision points of all weeks, and each label that differed at one of them.

    The points of each week's newest weeks are kept for its retraining, unless labels differed or
    the declaration excludes rows.
    """
    from pipelines.backtest.history import History
    from pipelines.flows.backtest.labels import labels_that_changed

    dates, progress = [one.as_of for one in requests], collaborators.progress
    spec = requested_spec(requests[-1], collaborators.load_spec, collaborators.ledger)
    events = collaborators.open_events(spec)
    span = Window(split_plan(spec, dates[0]).train.start, dates[-1])
    with working_folder("gauntlet-fits-") as folder, events.shared_connection():
        # Rows may be added to an old day at any time. These snapshots are older than the frame, so
        # each of their rows is in it. Labels of excluded rows are not compared.
        earlier = [] if spec.split.exclude else dates[:-1]
        known = [events.snapshot(spec.streams, as_of, keep=False) for as_of in earlier]
        snapshot = events.snapshot(spec.streams, dates[-1])
        with events.tables(snapshot, spec.streams) as tables:
            write_points(events, spec.frame, snapshot, tables, span.start, folder / FRAME)
            rows = read_rows(spec, folder / FRAME, span)
            changed = labels_that_changed(events, spec, snapshot, rows, dates, progress)
            for one in known:
                if one.as_of not in changed:
                    progress(f"points as of {one.as_of.date()}")
                    frame = (tables, span.start, folder / FRAME)
                    keep_newest_weeks(events, spec.frame, one, *frame)
    return History(spec, rows, changed)


def fit_key(spec: ModelSpec, rows: pd.DataFrame, seed: int) -> str:
    """A hash over everything that a fit depends on: recipe, seed, fitted rows and their order.

    Of the rows these are inputs and labels; for a search also the decision times, which its folds
    are divided by, and the other features, one of which may be the metric's denominator.
    """
    import pandas as pd

    from pipelines.training.columns import feature_matrix
    from pipelines.training.sample import limited_rows

    labelled = limited_rows(spec, rows[rows["label"].notna()])
    whole = hashlib.sha256(f"{spec.recipe} {seed}".encode())
    parts: list[pd.DataFrame | pd.Series] = [feature_matrix(spec, labelled), labelled["label"]]
    if spec.estimator.search:
        parts.append(labelled[["decision_time", *spec.feature_names]])
    for part in parts:
        whole.update(pd.util.hash_pandas_object(part, index=False).to_numpy().tobytes())
    return whole.hexdigest()
