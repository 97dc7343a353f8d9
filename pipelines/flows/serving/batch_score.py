"""Batch scoring: predictions for all current entities, logged and published exactly once.

The batch's rows in the prediction log are one object. Its key is derived from model and instant,
and it is written only if it is absent. Every other run for the same instant, concurrent or after a
kill, reads this object and publishes its content, even if the champion has changed.
"""

from __future__ import annotations

import json
import tempfile
from collections import Counter
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Literal

from pydantic import Field

from pipelines.core.errors import DataError
from pipelines.core.records import Instant, Record
from pipelines.core.time import (
    Clock,
    duration_text,
    instant_text,
    refuse_future,
    utc,
)
from pipelines.data.canonical import ARROW_TYPES, stored_types
from pipelines.data.events import Progress, stream_prefix
from pipelines.data.objects import ObjectStore, StoredObject
from pipelines.data.reader import EventReader
from pipelines.features.online.cadence import last_materialization
from pipelines.features.online.store import OnlineStore, ViewState
from pipelines.flows.serving.publish import PublishCollaborators, publish_plan
from pipelines.predictions.entity import entity_values
from pipelines.predictions.shipping import LEAD, log_object
from pipelines.release.lock import OtherLock, in_turn
from pipelines.serving.plan import ServingPlan
from pipelines.serving.scores import SCORES, grid_of, score_stream, validity
from pipelines.serving.service import Deployed
from pipelines.spec.combine import combined_spec
from pipelines.spec.model import ModelSpec
from pipelines.spec.predictions import LOG, Arm, prediction_log
from pipelines.spec.serving import Serving
from pipelines.spec.views import feature_views


class ScoreReport(Record):
    """The batch that was published."""

    model: str
    at: Instant = Field(description="instant of the decisions")
    outcome: Literal["scored", "already_scored"]
    entities: int
    versions: dict[str, int] = Field(description="entities by the version that answered")
    arms: dict[str, int] = Field(description="answers by arm, the shadow's among them")
    fell_back: int = Field(description="entities whose challenger could not answer")
    valid_until: Instant
    log: str = Field(description="object of the prediction log")
    scores: str = Field(description="object of the scores")


class ScoreStatus(Record):
    """The as-of of the newest scores, and whether they may still be used."""

    model: str
    at: Instant
    valid_until: Instant
    entities: int
    checked_at: Instant
    stale: bool


@dataclass(frozen=True)
class ScoreCollaborators:
    """What batch scoring works with.

    Arguments:
        load_spec: reads a declaration by the model's name.
        open_events: opens the event streams of a model.
        open_store: opens the object store of a model.
        scratch_online: makes an empty online store that lives as long as the process.
        publish: makes the plan with the versions that predict.
        lock: held for one model and the name of the command while it is at work.
        clock: the present instant.
    """

    load_spec: Callable[[str], ModelSpec]
    open_events: Callable[[ModelSpec], EventReader]
    open_store: Callable[[ModelSpec], ObjectStore]
    scratch_online: Callable[[], OnlineStore]
    publish: PublishCollaborators
    lock: Callable[[str, str], AbstractContextManager[object]]
    clock: Clock


def score(model: str, as_of: datetime, collaborators: ScoreCollaborators) -> ScoreReport:
    """Score the newest instant of the model's grid that is not after ``as_of``.

    Safe to repeat: scores that were published are found, and nothing changes.

    Arguments:
        model: its name.
        as_of: zoned, not in the future.
        collaborators: what batch scoring works with.

    Raises:
        SpecError: the model has event points, or its versions cannot be combined in one run.
        TimeError: as-of is in the future.
        DataError: no entity is active, or events contradict their declaration.
        IntegrityError: a version's content is not what was registered.
        LockedError: another scoring of the model takes longer than ten minutes.
        Unavailable: a source, the registry or the store does not answer.
    """
    from pipelines.features.active_entities import newest_step

    spec = collaborators.load_spec(model)
    grid_of(spec)
    refuse_future(as_of, collaborators.clock.now(), f"model {model}")
    at, store = newest_step(spec, utc(as_of)), collaborators.open_store(spec)
    log = _key(stream_prefix(LOG, prediction_log(model)), at, "batch-")
    with in_turn(collaborators.lock, model, OtherLock.SCORE):
        found = _stored(store, log)
        outcome: Literal["scored", "already_scored"] = "already_scored"
        if found is None:
            content = _predicted(model, at, collaborators)
            found, outcome = store.write(log, content), "scored"
        return _published(spec, at, outcome, found, store, collaborators.clock)


def score_status(spec: ModelSpec, store: ObjectStore, now: datetime) -> ScoreStatus:
    """The as-of instant of the newest scores, and whether they may still be used.

    Raises:
        DataError: when the model was never scored.
        Unavailable: when the store does not answer.
    """
    rows = newest_scores(spec, store)
    valid_until: datetime = rows[0]["valid_until"]
    return ScoreStatus(
        model=spec.name,
        at=rows[0]["decided_at"],
        valid_until=valid_until,
        entities=len(rows),
        checked_at=now,
        stale=now > valid_until,
    )


def newest_scores(spec: ModelSpec, store: ObjectStore) -> list[dict[str, Any]]:
    """The rows of the newest scores, as published; see ``serving.scores.score_stream``.

    Raises:
        DataError: when the model was never scored.
        Unavailable: when the store does not answer.
    """
    newest = max(
        store.list(stream_prefix(SCORES, score_stream(spec))),
        key=lambda stored: stored.key,
        default=None,
    )
    if newest is None:
        raise DataError(
            "the model was never scored",
            where=f"{SCORES}/{spec.name}",
            wanted="scores in the store",
            hint=f"`gauntlet score {spec.name}`",
        )
    return _read(store, newest)


def _predicted(model: str, at: datetime, collaborators: ScoreCollaborators) -> bytes:
    """The batch's rows of the prediction log, as Parquet."""
    from pipelines.features.active_entities import active_entities
    from pipelines.serving.batch import score_entities

    deployed = _deployed(publish_plan(model, collaborators.publish))
    spec = deployed.champion.spec
    for number, version in enumerate(deployed.versions[1:]):
        spec = combined_spec(spec, version.spec, f"other{number}_")
    events, online = collaborators.open_events(spec), collaborators.scratch_online()
    snapshot = events.snapshot(spec.streams, at)
    with events.tables(snapshot, spec.streams) as tables:
        events.progress("finding active entities")
        entities = active_entities(spec, tables, at)
        if not entities:
            silence = duration_text(grid_of(spec).active_for)
            raise DataError(
                "there is no entity to score",
                where=f"model {model} as of {instant_text(at)}",
                wanted=f"an entity with an event in the last {silence}",
                hint="look at the feed of the points' stream: it may have fallen silent",
            )
        _fill(online, spec, tables, at, events.progress)
    events.progress(f"{len(entities):,} entities")
    made = score_entities(deployed, online, entities, at)
    return log_object(
        [(at, each.values()) for each in made],
        collaborators.clock.now() + LEAD,
        prediction_log(model),
    )


def _deployed(plan: ServingPlan) -> Deployed:
    """The plan's versions. Features are computed for the batch, so they need not be online."""
    from dataclasses import replace

    from pipelines.serving.loaded_version import LoadedVersion, load_for_serving

    def loaded(serving: Any) -> LoadedVersion:
        version = load_for_serving(serving)
        return replace(version, spec=_with_serving(version.spec))

    challenger = loaded(plan.challenger) if plan.challenger else None
    return Deployed(
        plan=plan,
        champion=loaded(plan.champion),
        challenger=challenger,
        segments={value: loaded(one) for value, one in plan.segment_versions.items()},
    )


def _with_serving(spec: ModelSpec) -> ModelSpec:
    """The declaration; without a declared cadence, features are as of each point."""
    if spec.serving is not None:
        return spec
    grid = grid_of(spec)
    serving = Serving(every=grid.every, offset=grid.offset)
    return spec.with_serving(serving)


def _fill(
    online: OnlineStore, spec: ModelSpec, tables: Any, at: datetime, progress: Progress
) -> None:
    """Fill every view as it can be read online at an instant."""
    from pipelines.features.online.materialize import fill
    from pipelines.features.online.views import view_definitions

    for view in feature_views(spec):
        if view.cadence is None:
            raise ValueError("the view is not materialized")
        progress(f"{spec.name}.{view.name}")
        state = ViewState(
            f"{spec.name}.{view.name}",
            last_materialization(at - view.cadence.delay, view.cadence),
            at,
            tuple(view_definitions(spec, view)),
        )
        fill(online, spec, view, tables, state, replaces=None, whole=True)


def _published(
    spec: ModelSpec,
    at: datetime,
    outcome: Literal["scored", "already_scored"],
    log: StoredObject,
    store: ObjectStore,
    clock: Clock,
) -> ScoreReport:
    stream = score_stream(spec)
    key = _key(stream_prefix(SCORES, stream), at)
    logged = _read(store, log)
    answered = [row for row in logged if row["arm"] != Arm.SHADOW]
    until = at + validity(spec)
    if _stored(store, key) is None:
        known = clock.now() + LEAD
        rows = [
            {
                **entity_values(json.loads(row["entity"]), spec.point_stream.columns),
                **{name: row[name] for name in ("request_id", "prediction", "version", "arm")},
                "valid_until": until,
                "decided_at": at,
                "recorded_at": known,
            }
            for row in answered
        ]
        store.write(key, _parquet(rows, stored_types(stream)))
    versions = Counter(row["version"] for row in answered)
    champions = {row["version"] for row in logged if row["arm"] in {Arm.CHAMPION, Arm.CONTROL}}
    return ScoreReport(
        model=spec.name,
        at=at,
        outcome=outcome,
        entities=len(answered),
        versions=dict(sorted(versions.items())),
        arms=dict(sorted(Counter(row["arm"] for row in logged).items())),
        fell_back=sum(
            row["arm"] == Arm.CHALLENGER and row["version"] in champions for row in answered
        ),
        valid_until=until,
        log=log.key,
        scores=key,
    )


def _key(prefix: str, at: datetime, kind: str = "") -> str:
    """The object's key. Readers search for a row under the day of its known time or earlier."""
    return f"{prefix}dt={at.date()}/{kind}{instant_text(at).replace(':', '')}.parquet"


def _stored(store: ObjectStore, key: str) -> StoredObject | None:
    return next((stored for stored in store.list(key) if stored.key == key), None)


def _read(store: ObjectStore, stored: StoredObject) -> list[dict[str, Any]]:
    import pyarrow.parquet as pq

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "object.parquet"
        store.read(stored, path)
        rows: list[dict[str, Any]] = pq.read_table(path).to_pylist()
    return rows


def _parquet(rows: list[dict[str, Any]], types: Any) -> bytes:
    import io

    import pyarrow as pa
    import pyarrow.parquet as pq

    schema = pa.schema([(name, ARROW_TYPES[kind]) for name, kind in types.items()])
    written = io.BytesIO()
    pq.write_table(pa.Table.from_pylist(rows, schema=schema), written, compression="zstd")
    return written.getvalue()
