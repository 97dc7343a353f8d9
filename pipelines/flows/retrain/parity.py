"""Compares the champion's logged features and answers with values recomputed from events."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from pipelines.core.errors import DataError
from pipelines.core.findings import Finding
from pipelines.core.records import Record
from pipelines.core.time import MICROSECOND, Window
from pipelines.data.snapshot import Snapshot
from pipelines.flows.frames import FRAME, read_rows
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
from pipelines.packaging.package import verify_package
from pipelines.packaging.version import ModelVersion, load_pipeline
from pipelines.predictions.reader import read_log
from pipelines.spec.combine import other_names
from pipelines.spec.model import ModelSpec
from pipelines.spec.points import EventPoints

if TYPE_CHECKING:
    import ibis
    import numpy as np
    import pandas as pd
    from sklearn.pipeline import Pipeline

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
    """Features, preprocessing and answers of the champion's log in the newest stretch.

    The stretch is as long as the recent window and ends as of the run.

    Returns:
        The result; empty if no answer was logged. If the log cannot be read, it contains a finding
        with the verdict ``no_data``.
    """
    champion, plan = run.champion, run.plan
    if champion is None:
        return ParityResult()
    window = Window(plan.as_of - run.spec.split.recent, plan.as_of)
    try:
        log = champion_log(run, champion, window)
        if log is None:
            return ParityResult()
        log = subsample_log(log)
        with run.events.tables(snapshot, run.common.streams) as tables:
            rows = with_requests(
                champion.spec, tables, champion_rows(run, champion, window), log, plan.as_of
            )
            at_offsets = recomputed(champion.spec, tables, plan.as_of)
            parity = replay(champion.spec, rows, log, at_offsets)
        newest = (plan.as_of - run.spec.gates.availability.lookback).replace(tzinfo=None)
        lately = replay(champion.spec, rows, log[log["event_time"] >= newest])
        requested, again, served = logged_requests(champion.spec, rows, log)
        pipeline = champion.load_pipeline()
        shared = _shared(parity, champion.spec, run.spec)
        findings = (
            *parity_findings(parity, run.spec, blocking=shared),
            *_model_findings(
                champion, pipeline, again, served, requested["prediction"].to_numpy("float64")
            ),
        )
    except DataError as problem:
        return ParityResult(findings=(parity_impossible(problem),))
    return ParityResult(
        parity=parity,
        unequal=shared,
        nulls={
            each.feature: (each.present, each.lost)
            for each in lately.features
            if each.feature in _shared(lately, champion.spec, run.spec)
        },
        findings=findings,
    )


def candidate_preprocessing(run: Run, champion: ModelVersion) -> tuple[Finding, ...]:
    """Check the candidate's fitted preprocessing on the champion's served features, if logged.

    Features that only the candidate declares, or declares differently, are recomputed.

    Arguments:
        run: the opened run; its candidate has been trained.

    Raises:
        IntegrityError: the candidate's directory is not what was written.
    """
    from pipelines.gates.availability.parity_model import preprocessing_finding

    as_of = run.plan.as_of
    window = Window(as_of - run.spec.split.recent, as_of)
    try:
        log = champion_log(run, champion, window)
        if log is None:
            return ()
        rows = read_rows(run.spec, run.workspace.path(FRAME), window)
        _, again, served = logged_requests(run.spec, rows, subsample_log(log))
        shared = {f.name for f in champion.spec.features if f in run.spec.features}
        served = [{name: one[name] for name in shared & one.keys()} for one in served]
        folder = run.workspace.path(CANDIDATE)
        verify_package(train_candidate(run).package, folder)
        pipeline = load_pipeline(folder)
        found = preprocessing_finding(
            run.spec, pipeline, again, served, "availability.parity.candidate_preprocessing"
        )
    except DataError as problem:
        return (parity_impossible(problem),)
    return () if found is None else (found,)


def champion_log(run: Run, champion: ModelVersion, window: Window) -> pd.DataFrame | None:
    """The champion's logged answers in a window; None if nothing was logged.

    Raises:
        DataError: the log does not match ``spec.predictions``.
    """
    log = read_log(run.events, run.spec.name, window)
    log = None if log is None else log[log["version"] == champion.number]
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
    champion: ModelVersion,
    pipeline: Pipeline,
    rows: pd.DataFrame,
    served: list[dict[str, Any]],
    answers: np.ndarray,
) -> tuple[Finding, ...]:
    from pipelines.gates.availability.parity_model import prediction_finding, preprocessing_finding

    found = (
        preprocessing_finding(
            champion.spec, pipeline, rows, served, "availability.parity.preprocessing"
        ),
        prediction_finding(champion.spec, pipeline, rows, served, answers, champion.number),
    )
    return tuple(each for each in found if each is not None)


def _shared(parity: Parity, old: ModelSpec, new: ModelSpec) -> dict[str, float]:
    """Unequal shares of the logged features that candidate and champion define in the same way."""
    kept = {feature.name for feature in old.features if feature in new.features}
    return {name: share for name, share in parity.shares().items() if name in kept}
