"""Compares logged features and answers with values recomputed from events.

The champion's log is checked, and that of each version that is champion of a segment, each by its
own declaration.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from datetime import datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple

from pipelines.core.errors import DataError
from pipelines.core.findings import Finding
from pipelines.core.records import Record
from pipelines.core.time import MICROSECOND, Window
from pipelines.data.snapshot import Snapshot
from pipelines.flows.frames import FRAME, read_rows, window_rows
from pipelines.flows.retrain.run import Run
from pipelines.flows.retrain.train import CANDIDATE, train_candidate
from pipelines.gates.availability.parity import (
    Parity,
    logged_requests,
    parity_findings,
    parity_impossible,
    replay,
    requests_of,
    subsample_log,
)
from pipelines.gates.availability.parity_names import (
    CANDIDATE_PREPROCESSING,
    CHAMPION,
    ParityNames,
)
from pipelines.packaging.package import verify_package
from pipelines.packaging.version import ModelVersion, load_pipeline
from pipelines.predictions.reader import read_log
from pipelines.release.broken_windows.exclusions import with_exclusions
from pipelines.release.ledger import Entry
from pipelines.release.rollout.state import ReleaseState
from pipelines.release.verification import verified_entries
from pipelines.spec.combine import other_names
from pipelines.spec.model import ModelSpec
from pipelines.spec.points import EventPoints

if TYPE_CHECKING:
    import ibis
    import numpy as np
    import pandas as pd

    from pipelines.gates.availability.parity_cause import FeatureAtOffsets


class ParityResult(Record):
    """Logged features compared with recomputed ones, by name, for features that both recipes use.

    ``unequal`` holds the shares of unequal values. ``nulls`` covers the newest days
    (``gates.availability.lookback``): the number of requests for which there is a value, and how
    many of these were served none.
    """

    parity: Parity | None = None
    unequal: dict[str, float] = {}
    nulls: dict[str, tuple[int, int]] = {}
    findings: tuple[Finding, ...] = ()


def check_parity(run: Run, snapshot: Snapshot) -> ParityResult:
    """Features, preprocessing and answers in the newest stretch of the log.

    The stretch is as long as the recent window and ends as of the run. The findings about versions
    that are champions of segments follow those about the champion; everything else in the result
    is about the champion.

    Returns:
        The result; empty if no answer was logged. If the log cannot be read, it contains a finding
        with the verdict ``no_data``.
    """
    champion = run.champion
    if champion is None:
        return ParityResult()
    found = _check_version(run, champion, CHAMPION, _frame_of_run(run, champion, snapshot))
    segments = [
        finding
        for version in segment_versions(run)
        for finding in _check_version(
            run, version, ParityNames(version.number), _own_frame(run, version)
        ).findings
    ]
    return found.model_copy(update={"findings": (*found.findings, *segments)})


def segment_versions(run: Run) -> tuple[ModelVersion, ...]:
    """The versions that are champions of segments in the run's lineage, before its decision."""
    state = ReleaseState.from_entries(run.spec.name, _entries(run))
    numbers = state.segments.versions if state.segments else ()
    return tuple(run.collaborators.versions.load(run.spec.name, one) for one in numbers)


def _entries(run: Run) -> tuple[Entry, ...]:
    """The entries of the run's lineage before its decision."""
    entries = verified_entries(run.spec.name, run.collaborators.ledger, run.request.lineage)
    decided = run.identity.decided
    return entries if decided is None else entries[: decided.sequence - 1]


class _Frame(NamedTuple):
    """A version's streams in an open connection, and what reads its frame of a window."""

    tables: Mapping[str, ibis.Table]
    rows: Callable[[Window], pd.DataFrame]


@contextmanager
def _frame_of_run(run: Run, champion: ModelVersion, snapshot: Snapshot) -> Iterator[_Frame]:
    with run.events.tables(snapshot, run.common.streams) as tables:
        yield _Frame(tables, partial(champion_rows, run, champion))


@contextmanager
def _own_frame(run: Run, version: ModelVersion) -> Iterator[_Frame]:
    """The frame of a version whose features and streams may not be in the run's frame."""
    spec = with_exclusions(version.spec, _entries(run), run.plan.as_of)
    events = run.collaborators.open_events(spec)
    snapshot = events.snapshot(spec.streams, run.plan.as_of)
    with events.tables(snapshot, spec.streams) as tables:
        yield _Frame(tables, partial(window_rows, events, spec, snapshot, tables))


def _check_version(
    run: Run,
    version: ModelVersion,
    names: ParityNames,
    opened: AbstractContextManager[_Frame],
) -> ParityResult:
    """Check the log of one version.

    Arguments:
        run: the opened run.
        version: the version whose log is checked.
        names: of the findings.
        opened: its frame; not entered if nothing was logged.
    """
    as_of = run.plan.as_of
    window = Window(as_of - run.spec.split.recent, as_of)
    try:
        log = version_log(run, version, window)
        if log is None:
            return ParityResult()
        log = subsample_log(log)
        with opened as frame:
            rows = with_requests(version.spec, frame.tables, frame.rows(window), log, as_of)
            at_offsets = recomputed(version.spec, frame.tables, as_of)
            parity = replay(version.spec, rows, log, at_offsets)
        newest = (as_of - run.spec.gates.availability.lookback).replace(tzinfo=None)
        lately = replay(version.spec, rows, log[log["event_time"] >= newest])
        requested, again, served = logged_requests(version.spec, rows, log)
        shared = _shared(parity, version.spec, run.spec)
        findings = (
            *parity_findings(parity, run.spec, blocking=shared, names=names),
            *_model_findings(
                version, again, served, requested["prediction"].to_numpy("float64"), names
            ),
        )
    except DataError as problem:
        return ParityResult(findings=(parity_impossible(problem, names),))
    return ParityResult(
        parity=parity,
        unequal=shared,
        nulls={
            each.feature: (each.present, each.lost)
            for each in lately.features
            if each.feature in _shared(lately, version.spec, run.spec)
        },
        findings=findings,
    )


def candidate_preprocessing(run: Run, champion: ModelVersion) -> tuple[Finding, ...]:
    """Check the candidate's fitted preprocessing on the served features, if they were logged.

    They are those of the champion and of versions that are champions of segments.
    Features that only the candidate declares, or declares differently, are recomputed.

    Arguments:
        run: the opened run; its candidate has been trained.
        champion: the champion.

    Raises:
        IntegrityError: the candidate's directory is not what was written.
    """
    import pandas as pd

    from pipelines.gates.availability.parity_model import preprocessing_finding

    as_of = run.plan.as_of
    window = Window(as_of - run.spec.split.recent, as_of)
    computed: list[pd.DataFrame] = []
    served: list[dict[str, Any]] = []
    try:
        for version in (champion, *segment_versions(run)):
            log = version_log(run, version, window)
            if log is None:
                continue
            rows = read_rows(run.spec, run.workspace.path(FRAME), window)
            _, again, features = logged_requests(run.spec, rows, subsample_log(log))
            shared = {f.name for f in version.spec.features if f in run.spec.features}
            computed.append(again)
            served += [{name: one[name] for name in shared & one.keys()} for one in features]
        if not computed:
            return ()
        folder = run.workspace.path(CANDIDATE)
        verify_package(train_candidate(run).package, folder)
        pipeline = load_pipeline(folder)
        again = pd.concat(computed, ignore_index=True)
        found = preprocessing_finding(run.spec, pipeline, again, served, CANDIDATE_PREPROCESSING)
    except DataError as problem:
        return (parity_impossible(problem),)
    return () if found is None else (found,)


def version_log(run: Run, version: ModelVersion, window: Window) -> pd.DataFrame | None:
    """A version's logged answers in a window; None if nothing was logged.

    Raises:
        DataError: the log does not match ``spec.predictions``.
    """
    log = read_log(run.events, run.spec.name, window)
    log = None if log is None else log[log["version"] == version.number]
    return log if log is not None and len(log) else None


def champion_rows(run: Run, champion: ModelVersion, window: Window) -> pd.DataFrame:
    """The run's frame in a window, with the columns of the champion's frame."""
    from pipelines.training.row_sets import RecipeView

    renamed = other_names(run.spec, champion.spec)
    rows = read_rows(run.spec, run.workspace.path(FRAME), window)
    return RecipeView(champion.spec, renamed).view(rows)


def with_requests(
    spec: ModelSpec,
    tables: Mapping[str, ibis.Table],
    rows: pd.DataFrame,
    log: pd.DataFrame,
    as_of: datetime,
) -> pd.DataFrame:
    """A frame of grid points with an added row for each logged request between the points.

    A service can be called at any moment. Event points are requests, so all are in the frame.
    """
    import ibis
    import pandas as pd

    from pipelines.features.request_frame import logged_frame
    from pipelines.training.row_sets import row_ids

    if isinstance(spec.points, EventPoints):
        return rows
    keys, requested = spec.points.keys, requests_of(spec, log)
    there = set(row_ids(keys, rows).tolist())
    between = requested[[one not in there for one in row_ids(keys, requested).tolist()]]
    if not len(between):
        return rows
    streams = {name: tables[name] for name in spec.streams}
    requests = ibis.memtable(between.drop_duplicates().reset_index(drop=True))
    found = logged_frame(spec.frame, streams, requests, as_of).to_pandas()
    whole: pd.DataFrame = pd.concat([rows, found[list(rows.columns)]], ignore_index=True)
    return whole


def recomputed(
    spec: ModelSpec, tables: Mapping[str, ibis.Table], as_of: datetime
) -> FeatureAtOffsets:
    """Compute features of logged points as of other instants, from the events known as of one."""
    import ibis

    from pipelines.features.time_shift import SHIFT, movable, shifted_feature

    def values(
        feature: str, points: pd.DataFrame, shifts: Sequence[timedelta]
    ) -> list[list[Any]] | None:
        found = movable(spec, feature)
        if found is None:
            return None
        distinct = ibis.memtable(points.drop_duplicates())
        streams = {each: tables[each] for each in spec.streams}
        table = shifted_feature(spec, found, streams, as_of, distinct, shifts).to_pandas()
        keys = [*spec.points.keys, "decision_time"]
        known = dict(
            zip(
                table[[*keys, SHIFT]].itertuples(index=False, name=None),
                table[feature].tolist(),
                strict=True,
            )
        )
        moves = [shift // MICROSECOND for shift in shifts]
        return [
            [known.get((*point, move)) for move in moves]
            for point in points[keys].itertuples(index=False, name=None)
        ]

    return values


def _model_findings(
    version: ModelVersion,
    rows: pd.DataFrame,
    served: list[dict[str, Any]],
    answers: np.ndarray,
    names: ParityNames,
) -> tuple[Finding, ...]:
    from pipelines.gates.availability.parity_model import prediction_finding, preprocessing_finding

    spec, pipeline, number = version.spec, version.load_pipeline(), version.number
    found = (
        preprocessing_finding(spec, pipeline, rows, served, names.preprocessing),
        prediction_finding(spec, pipeline, rows, served, answers, number, names.prediction),
    )
    return tuple(each for each in found if each is not None)


def _shared(parity: Parity, old: ModelSpec, new: ModelSpec) -> dict[str, float]:
    """Unequal shares of the logged features that candidate and champion define in the same way."""
    kept = {feature.name for feature in old.features if feature in new.features}
    return {name: share for name, share in parity.shares().items() if name in kept}
