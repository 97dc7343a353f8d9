"""Reads a recipe's features for the newest decision points from production's online store."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime
from typing import TYPE_CHECKING, Any

from pipelines.core.errors import DataError
from pipelines.core.findings import Finding
from pipelines.core.time import MICROSECOND, Window
from pipelines.data.snapshot import Snapshot
from pipelines.features.online.store import ViewState
from pipelines.flows.frames import FRAME, frame_rows, read_rows, read_training_rows
from pipelines.flows.retrain.run import Run
from pipelines.spec.features import WindowFeature
from pipelines.spec.points import EventPoints
from pipelines.spec.views import FeatureView, definition_of, feature_views

if TYPE_CHECKING:
    import ibis
    import numpy as np
    import pandas as pd

    from pipelines.gates.availability.feature_ablation import AblationLoss
    from pipelines.gates.availability.feature_availability import FeatureAvailability, ViewAge
    from pipelines.gates.availability.store_lookup import FeatureLookup

MASK_SEED = 20260101
Nulls = Mapping[str, tuple[int, int]]


def check_online_features(run: Run, snapshot: Snapshot, nulls: Nulls) -> tuple[Finding, ...]:
    """Findings about every feature of the run's recipe that production keeps in its online store.

    Attributes are part of the request, and parts of the time come from its clock; parity checks
    both against the log.

    Arguments:
        run: the opened run; its frame has been written.
        snapshot: the run's snapshot.
        nulls: from the champion's log of the newest days, by feature: the number of requests for
            which there is a value, and how many of these were served none.

    Raises:
        Unavailable: the online store does not answer.
    """
    from pipelines.gates.availability.feature_availability import (
        below_required_share,
        online_findings,
        staleness_finding,
    )
    from pipelines.gates.availability.store_lookup import look_up_view

    spec, plan, store = run.spec, run.plan, run.collaborators.online
    views = feature_views(spec)
    states = {view.name: store.state(f"{view.model}.{view.name}") for view in views}
    fresh = [_view_age(view, state, plan.as_of) for view in views if (state := states[view.name])]
    expired = {each.view for each in fresh if each.expired}
    run.collaborators.progress("looking features up where production does")
    found: list[tuple[FeatureView, FeatureLookup]] = []
    with run.events.tables(snapshot, run.common.streams) as tables:
        points = _recent_points(run, tables)
        for view in views:
            if view.name in expired:
                continue
            state = states[view.name]
            at = plan.as_of if state is None else max(plan.as_of, state.as_of)
            with _known_by(run, view, tables, plan.as_of, at) as known:
                looked = look_up_view(spec, view, store, known, points, at)
            found += [(view, each) for each in looked]
    availability = _availability_of(run, found, nulls)
    wanting = [
        (each, looked)
        for each, (_, looked) in zip(availability, found, strict=True)
        if below_required_share(spec, each)
    ]
    return (
        *(staleness_finding(each) for each in fresh),
        *online_findings(spec, availability, _losses(run, wanting)),
    )


@contextmanager
def _known_by(
    run: Run, view: FeatureView, tables: Mapping[str, ibis.Table], as_of: datetime, at: datetime
) -> Iterator[Mapping[str, ibis.Table]]:
    """The events that the store could know. The store may be newer than a late run or a run in the
    past, so the comparison with the store, and only that, reads later events."""
    if at == as_of:
        yield tables
        return
    stream = {view.stream: run.spec.streams[view.stream]}
    with run.events.tables(run.events.snapshot(stream, at), stream) as known:
        yield known


def _view_age(view: FeatureView, state: ViewState, as_of: datetime) -> ViewAge:
    from pipelines.gates.availability.feature_availability import ViewAge

    if view.cadence is None:
        raise ValueError("the view is not materialized")
    return ViewAge(
        model=view.model,
        view=view.name,
        age_s=max((as_of - state.as_of).total_seconds(), 0.0),
        lifetime_s=view.cadence.lifetime.total_seconds(),
        features=tuple(feature.name for feature in view.features),
    )


def _recent_points(run: Run, tables: Mapping[str, ibis.Table]) -> pd.DataFrame:
    """The newest distinct combinations of entities, with the number of points of each."""
    from pipelines.features.decision_points import DECISION_TIME, decision_points
    from pipelines.features.engine.interval_join import AT
    from pipelines.features.frame import as_known
    from pipelines.gates.availability.store_lookup import POINTS

    spec, plan, gate = run.spec, run.plan, run.spec.gates.availability
    read = dict.fromkeys(c for view in feature_views(spec) for c in view.entity)
    columns = list(read or spec.points.keys)
    if isinstance(spec.points, EventPoints):
        known = {spec.points.stream: as_known(tables[spec.points.stream], plan.as_of)}
        events = decision_points(spec.frame, known, {}, plan.as_of)
        start = (plan.as_of - gate.lookback).replace(tzinfo=None)
        newest = events.filter(events[DECISION_TIME] > start)
        newest = newest.order_by([newest[AT].desc(), *spec.points.keys]).limit(gate.max_points)
        rows: pd.DataFrame = newest.select(*columns).to_pandas()
    else:
        window = Window(plan.as_of - gate.lookback, plan.as_of + MICROSECOND)
        rows = read_rows(spec, run.workspace.path(FRAME), window)[columns].tail(gate.max_points)
    counted: pd.DataFrame = rows.value_counts(dropna=False).rename(POINTS).reset_index()
    return counted.sort_values(columns, ignore_index=True)


def _availability_of(
    run: Run,
    found: Sequence[tuple[FeatureView, FeatureLookup]],
    nulls: Nulls,
) -> tuple[FeatureAvailability, ...]:
    from pipelines.gates.availability.feature_availability import FeatureAvailability
    from pipelines.gates.availability.store_lookup import are_present

    spec, plan, frame = run.spec, run.plan, run.workspace.path(FRAME)
    recent = Window(plan.as_of - spec.gates.availability.lookback, plan.as_of + MICROSECOND)
    rows = {window: frame_rows(spec, frame, window) for window in (plan.train, recent)}
    champion = run.champion
    champions = (
        {
            definition_of(champion.spec, feature)
            for feature in champion.spec.features
            if isinstance(feature, WindowFeature)
        }
        if champion
        else set()
    )

    def share(window: Window, feature: WindowFeature) -> float:
        present = are_present(feature, rows[window].column(feature.name))
        return int(present.sum()) / max(len(present), 1)

    def log_counts(feature: WindowFeature) -> dict[str, int]:
        requests, lost = nulls.get(feature.name, (0, 0))
        return {"requests": requests, "lost": lost}

    return tuple(
        FeatureAvailability(
            feature=each.feature.name,
            view=view.name,
            points=len(rows[recent]),
            offline=each.offline,
            online=each.online,
            entities=each.entities,
            unequal=each.unequal,
            likely=each.likely,
            stored=each.stored,
            champions=definition_of(spec, each.feature) in champions,
            trained_share=share(plan.train, each.feature),
            recent_share=share(recent, each.feature),
            **log_counts(each.feature),
        )
        for view, each in found
    )


def _losses(
    run: Run, wanting: Sequence[tuple[FeatureAvailability, FeatureLookup]]
) -> dict[str, AblationLoss | str]:
    """The cost of each missing feature, from a separate fit with the recipe's first seed."""
    from pipelines.gates.availability.feature_ablation import ablation_loss
    from pipelines.training.fit import fit

    if not wanting:
        return {}
    spec, plan, frame = run.spec, run.plan, run.workspace.path(FRAME)
    losses: dict[str, AblationLoss | str] = {}
    try:
        run.collaborators.progress("fitting once, to tell what the missing features cost")
        fitted = fit(spec, read_training_rows(spec, frame, plan.train).rows, spec.seeds[0])
    except DataError as problem:
        return {each.feature: _unknown_loss(problem) for each, _ in wanting}
    recent = read_rows(spec, frame, plan.recent)
    for each, looked in wanting:
        try:
            masked = _masked(recent, each, looked)
            losses[each.feature] = ablation_loss(spec, fitted, recent, each.feature, masked)
        except DataError as problem:
            losses[each.feature] = _unknown_loss(problem)
    return losses


def _unknown_loss(problem: DataError) -> str:
    return f"the loss without it is unknown: {problem.what}"


def _masked(
    rows: pd.DataFrame, each: FeatureAvailability, looked: FeatureLookup
) -> np.ndarray[Any, Any]:
    """The rows that would lack the feature in production: those of the entities that lack it now,
    if the store can identify them, else the same number at random."""
    import numpy as np

    from pipelines.gates.availability.feature_availability import AvailabilityStatus
    from pipelines.gates.availability.store_lookup import entities_of

    if each.kind is not AvailabilityStatus.ONLINE:
        return np.ones(len(rows), dtype=bool)
    by, in_store = list(looked.feature.by), each.online / each.offline if each.offline else 1.0
    if set(by) <= set(rows.columns) and in_store <= each.share:
        keys = entities_of(rows, by)
        return np.array([key in looked.absent_entities for key in keys], dtype=bool)
    return np.random.default_rng(MASK_SEED).random(len(rows)) >= each.share
