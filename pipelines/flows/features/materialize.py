"""Fills the online store: each view of a model as of the newest instant of its cadence.

Features of the declaration, the champions and any second version on live traffic are all filled.
They are identified by their definitions, so changing a feature does not affect the versions that
answer.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from pydantic import Field

from pipelines.core.counts import counted
from pipelines.core.errors import SpecError
from pipelines.core.records import Instant, Record
from pipelines.core.time import Clock, instant_text, refuse_future, utc
from pipelines.data.cache import Cache
from pipelines.data.events import NoEvents
from pipelines.data.reader import EventReader
from pipelines.data.snapshot import Snapshot, StreamSnapshot
from pipelines.features.online.cadence import last_materialization
from pipelines.features.online.store import OnlineStore, ViewState
from pipelines.flows.retrain.request import LIVE, Request
from pipelines.flows.versions import VersionReader
from pipelines.release.ledger import Ledger
from pipelines.release.lock import OtherLock, in_turn
from pipelines.release.rollout.state import ReleaseState
from pipelines.release.verification import verified_entries
from pipelines.spec.combine import combined_spec, common_spec
from pipelines.spec.model import ModelSpec
from pipelines.spec.serving import Cadence
from pipelines.spec.views import FeatureView, feature_views

CHALLENGER_PREFIX = "challenger_"


class Materialized(Record):
    """The materialization of one view."""

    view: str = Field(description="<model>.<view>, its name in the store")
    outcome: Literal["whole", "increment", "unchanged", "newer_is_stored"]
    reason: str
    as_of: Instant = Field(description="instant of the values that are stored now")
    before: Instant | None = Field(
        description="instant of the values before; null: there were none"
    )
    definitions: int
    rows: int = Field(description="entities written")
    gone: int | None = Field(
        description="entities without an event in any window, removed where they were stored; "
        "null: the whole view was written, and removals were not counted"
    )
    events: int | None = Field(description="events known since `before`; null: not counted")
    last_event: Instant | None = Field(description="newest event of the stream; null: not read")

    @property
    def silent(self) -> bool:
        """Whether the stream has had no new events since the previous materialization."""
        return self.events == 0


class MaterializeReport(Record):
    """The result of a materialization."""

    model: str
    as_of: Instant
    champion: str | None = Field(description="version whose features are filled as well")
    views: tuple[Materialized, ...]


@dataclass(frozen=True)
class MaterializeCollaborators:
    """What a materialization works with.

    Arguments:
        load_spec: reads a declaration by the model's name.
        open_events: opens the event streams of a model.
        versions: the registry, and verified copies of its versions.
        ledger: holds the champion and the challenger.
        online: the store to fill.
        lock: held for one model and the name of the command while it is at work.
        clock: the present instant.
    """

    load_spec: Callable[[str], ModelSpec]
    open_events: Callable[[ModelSpec], EventReader]
    versions: VersionReader
    ledger: Ledger
    online: OnlineStore
    lock: Callable[[str, str], AbstractContextManager[object]]
    clock: Clock


def materialize(
    model: str,
    as_of: datetime,
    collaborators: MaterializeCollaborators,
    *,
    force: bool = False,
) -> MaterializeReport:
    """Bring the online store to the newest due instant that is not later than an instant.

    Safe to repeat. Only changes are written, as long as the events known by the stored instant are
    still the same. Otherwise, and if the definitions differ, the whole view is computed. Each view
    is updated atomically.

    Arguments:
        model: its name.
        as_of: zoned, not in the future.
        collaborators: what the materialization works with.
        force: compute every view whole, and replace even a newer one.

    Raises:
        SpecError: the model declares no serving, or cannot be combined with the champion.
        TimeError: as-of is in the future.
        DataError: events are missing, malformed, or contradict their declaration.
        LockedError: another materialization of the model takes longer than ten minutes.
        StaleEvidenceError: another machine wrote the view meanwhile; running again is safe.
        Unavailable: a source, the registry or the store does not answer.
    """
    spec, champion = served_spec(model, collaborators)
    refuse_future(as_of, collaborators.clock.now(), f"model {model}")
    with in_turn(collaborators.lock, model, OtherLock.MATERIALIZE):
        return _materialized(spec, champion, as_of, collaborators, force=force)


def _materialized(
    spec: ModelSpec,
    champion: str | None,
    as_of: datetime,
    collaborators: MaterializeCollaborators,
    *,
    force: bool,
) -> MaterializeReport:
    done, model = [], spec.name
    for view in feature_views(spec):
        if view.cadence is None:
            raise SpecError(
                "the model does not say when its features are materialized",
                where=f"{model}: serving",
                wanted="`every`, and how long after its instant the values can be read",
                hint="add `serving: {every: 1h, delay: 15m}` to the declaration, "
                "with what production can keep up",
            )
        done.append(_Work(spec, view, view.cadence, collaborators).bring_to(as_of, force=force))
    return MaterializeReport(model=model, as_of=as_of, champion=champion, views=tuple(done))


def materialize_new_model(
    request: Request, collaborators: MaterializeCollaborators
) -> MaterializeReport | None:
    """Fill the online store for a first version, when nothing is served and nothing was stored.

    A retraining fails if features are missing in production. Before the first version an empty
    store is expected, so it is filled. Later it is an error: it is left empty, and the gates
    report it.

    Arguments:
        request: the retraining's request; its model is filled as of its instant.

    Returns:
        The result; None if there is nothing to do.

    Raises:
        As ``materialize``.
    """
    spec = collaborators.load_spec(request.model)
    if request.lineage != LIVE or spec.serving is None:
        return None
    if collaborators.ledger.champion(request.model, LIVE) is not None:
        return None
    online = collaborators.online
    stored = [online.state(f"{view.model}.{view.name}") for view in feature_views(spec)]
    if all(state is not None for state in stored):
        return None
    return materialize(request.model, request.as_of, collaborators)


def served_spec(
    model: str, collaborators: MaterializeCollaborators
) -> tuple[ModelSpec, str | None]:
    """The declaration combined with those of all versions that answer, and the champion's version.

    These are the champion, those of segments, and any second version on live traffic.

    Raises:
        SpecError: they cannot be combined in one declaration.
        IntegrityError: the content of the champion's version is not what was registered.
    """
    spec, versions = collaborators.load_spec(model), collaborators.versions
    chain = verified_entries(model, collaborators.ledger)
    champion = chain[-1].champion_after if chain else None
    if champion is None:
        return spec, None
    old = versions.load(model, champion)
    whole = common_spec(spec, old.spec)
    state = ReleaseState.from_entries(model, chain)
    own = state.segments.versions if state.segments else ()
    others = [(f"segment{n}_", one) for n, one in enumerate(own, 1)]
    if state.active is not None:
        others.append((CHALLENGER_PREFIX, state.active.challenger))
    filled = {spec.recipe, old.spec.recipe}
    for prefix, number in others:
        other = versions.load(model, number).spec
        if other.recipe not in filled:
            whole = combined_spec(whole, other, prefix)
            filled.add(other.recipe)
    return whole, champion


class _Work:
    """One view of a model and the stream that it reads."""

    def __init__(
        self,
        spec: ModelSpec,
        view: FeatureView,
        cadence: Cadence,
        collaborators: MaterializeCollaborators,
    ) -> None:
        from pipelines.features.online.views import view_definitions

        self.spec, self.view, self.cadence = spec, view, cadence
        self.online, self.clock = collaborators.online, collaborators.clock
        self.name = f"{spec.name}.{view.name}"
        self.definitions = tuple(view_definitions(spec, view))
        self.events = collaborators.open_events(spec)
        self.stream = {view.stream: spec.streams[view.stream]}

    @property
    def _columns(self) -> list[list[str]]:
        """The stream's declared columns and types; a change in them changes the content hash."""
        columns = self.spec.streams[self.view.stream].columns
        return [[column, kind.value] for column, kind in columns.items()]

    def bring_to(self, as_of: datetime, *, force: bool) -> Materialized:
        """Update the stored view to the newest due instant not after ``as_of``."""
        from pipelines.features.online.materialize import fill

        at, stored = last_materialization(utc(as_of), self.cadence), self.online.state(self.name)
        if stored is not None and not force:
            if stored.as_of > at:
                return self._left(stored, "newer_is_stored", self._kept(stored))
            if stored.as_of == at and stored.definitions == self.definitions:
                return self._left(stored, "unchanged", "this materialization is stored already")
        snapshot, earlier = self._snapshot(at), self._earlier(stored, at)
        read, reason = self._read(snapshot), self._why_whole(stored, earlier, force=force)
        self.events.progress(f"{self.name}: {'all entities' if reason else 'what has changed'}")
        state = ViewState(self.name, at, self.clock.now(), self.definitions)
        with self.events.tables(snapshot, self.stream) as tables:
            filled = fill(
                self.online,
                self.spec,
                self.view,
                tables,
                state,
                replaces=stored,
                whole=bool(reason),
            )
        self._note(state, read)
        return Materialized(
            view=self.name,
            outcome="whole" if reason else "increment",
            reason=reason or "what came into the windows and left them",
            as_of=at,
            before=stored.as_of if stored else None,
            definitions=len(self.definitions),
            rows=filled.rows,
            gone=filled.gone,
            events=read.rows - earlier.rows if earlier else None,
            last_event=read.last_event,
        )

    def _left(
        self, stored: ViewState, outcome: Literal["unchanged", "newer_is_stored"], reason: str
    ) -> Materialized:
        return Materialized(
            view=self.name,
            outcome=outcome,
            reason=reason,
            as_of=stored.as_of,
            before=stored.as_of,
            definitions=len(stored.definitions),
            rows=0,
            gone=0,
            events=None,
            last_event=None,
        )

    def _kept(self, stored: ViewState) -> str:
        """The result when a newer state is kept."""
        lacking = len(set(self.definitions) - set(stored.definitions))
        without = (
            f"it lacks {counted(lacking, 'definition')}, which a later --as-of fills; "
            if lacking
            else ""
        )
        return f"{without}--force puts the older one in its place"

    def _snapshot(self, at: datetime) -> Snapshot:
        return self.events.snapshot(self.stream, at)

    def _read(self, snapshot: Snapshot) -> StreamSnapshot:
        return snapshot.streams[self.view.stream]

    def _earlier(self, stored: ViewState | None, at: datetime) -> StreamSnapshot | None:
        """The stream as of an earlier state. None if there is no such state, or no events for it,
        because a source may keep its events for a few days only."""
        if stored is None or stored.as_of >= at:
            return None
        try:
            return self._read(self._snapshot(stored.as_of))
        except NoEvents:
            return None

    def _why_whole(
        self, stored: ViewState | None, earlier: StreamSnapshot | None, *, force: bool
    ) -> str:
        """Why an incremental update is not possible; empty if it is."""
        if stored is None:
            return "nothing was stored"
        if force:
            return "--force was given"
        if stored.definitions != self.definitions:
            return "other definitions were stored"
        return self._moved(stored, earlier)

    def _moved(self, stored: ViewState, earlier: StreamSnapshot | None) -> str:
        """How the events known by the stored instant have changed since; empty if they have not.

        A file may be delivered later than the known times of its rows. The stored view then lacks
        these rows, and an incremental update would not add them.
        """
        if earlier is None:
            return "the source holds no event any more that was known before"
        noted = Cache(self.events.cache).note("materialized", self.name)
        if noted is None or noted["written_at"] != instant_text(stored.written_at):
            return "what the stored state was made from is not noted here"
        if noted["content"] == earlier.content_hash:
            return ""
        if noted.get("columns") != self._columns:
            return "the stream's columns are declared otherwise than they were"
        if earlier.rows < noted.get("rows", 0):
            return (
                f"the source has lost events: {earlier.rows:,} of {noted['rows']:,} that were known"
            )
        return "events came in that say they were known before"

    def _note(self, state: ViewState, read: StreamSnapshot) -> None:
        """Note the events of a state. If lost, the next run computes the whole view."""
        noted = {
            "written_at": instant_text(state.written_at),
            "content": read.content_hash,
            "rows": read.rows,
            "columns": self._columns,
        }
        Cache(self.events.cache).keep_note("materialized", self.name, noted)
