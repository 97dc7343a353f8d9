"""Faults of what serves, each given to the gate that owns it, with the model's own version."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from pipelines.core.errors import IntegrityError
from pipelines.core.findings import Finding
from pipelines.core.records import canonical_json, digest_of
from pipelines.faults.matrix import Cell
from pipelines.faults.serving import change_model_file, is_lost, wrong_arms
from pipelines.flows.drill.context import DrillContext, run_checks, turned, verdicts
from pipelines.flows.retrain.request import Request
from pipelines.flows.retrain.run import Run, RunIdentity
from pipelines.predictions.entity import entity_json

if TYPE_CHECKING:
    import pandas as pd

    from pipelines.features.online.store import Key, OnlineStore, Reading, ViewState
    from pipelines.flows.workspace import Workspace

ARTIFACT = "registry.content"
_SALT, _SEED = "drill", 20260101
_REQUESTS = 5_000


def swapped_artifact(context: DrillContext, size: float) -> Cell:
    """A byte of the champion's model is changed, and the copy is verified as before each use."""
    from pipelines.release.version_facts import check_content

    champion, versions = context.champion, context.collaborators.versions
    info = versions.verified(champion.model, champion.number)
    copy = context.folder / "artifact"
    shutil.rmtree(copy, ignore_errors=True)
    shutil.copytree(champion.folder, copy)
    changed = change_model_file(copy)
    try:
        check_content(info, copy, f"{info.model} version {info.version}")
    except IntegrityError as problem:
        reason = f"{problem.summary}: {changed.name} was changed"
        return Cell(size=size, caught_by=(ARTIFACT,), reason=reason)
    return Cell(size=size)


def broken_split(context: DrillContext, size: float, points: pd.DataFrame) -> Cell:
    """Requests about the model's entities, some answered in the other arm, before the canary's
    check of the assignment.

    Arguments:
        context: the drill; its model declares a rollout.
        size: share of the requests.
        points: rows with the keys of the model's decision points.
    """
    from pipelines.gates.canary.assignment import assignment_finding
    from pipelines.outcomes.log import EntityLog, assign_entities
    from pipelines.predictions.assignment import Ramp
    from pipelines.spec.predictions import Arm

    keys = list(context.spec.points.keys)
    entities = points[keys].dropna().drop_duplicates().reset_index(drop=True)
    ramp = Ramp(salt=_SALT, since=(context.as_of - context.lookback,), shares=(0.5,))
    assigned = assign_entities(entities, ramp)
    code = np.arange(_REQUESTS) % len(entities)
    right = np.where(assigned.challenger[code], Arm.CHALLENGER.value, Arm.CONTROL.value)
    wrong = np.random.default_rng(_SEED).random(_REQUESTS) < size

    def findings(arms: Sequence[str]) -> tuple[Finding, ...]:
        import pandas as pd

        at = pd.Timestamp(context.as_of.replace(tzinfo=None))
        named = entities.astype(str).agg(", ".join, axis=1).to_numpy()[code]
        rows = pd.DataFrame(
            {"code": code, "entity": named, "arm": arms, "event_time": at, "known_time": at}
        )
        log = EntityLog(rows, entities)
        checks = {"canary": lambda: (assignment_finding(log, assigned, ramp),)}
        return run_checks(context.checks, checks)

    return cell_of(size, turned(findings(wrong_arms(right.tolist(), wrong)), {}))


@dataclass(frozen=True)
class ForgetfulStore:
    """An online store without the values of some entities of one view; it is only read.

    Arguments:
        store: the real one.
        view: as ``<model>.<view>``.
        share: of entities, 0 to 1.
    """

    store: OnlineStore
    view: str
    share: float

    def state(self, view: str) -> ViewState | None:
        """See ``OnlineStore.state``."""
        return self.store.state(view)

    def read(self, view: str, keys: Sequence[Key]) -> Reading:
        """See ``OnlineStore.read``."""
        found = self.store.read(view, keys)
        if view != self.view:
            return found
        rows = tuple(
            None if is_lost(key, self.share) else row
            for key, row in zip(keys, found.rows, strict=True)
        )
        return replace(found, rows=rows)


def parity_of(
    context: DrillContext, computed: pd.DataFrame, served: pd.DataFrame
) -> tuple[Finding, ...]:
    """The findings of the parity check on a log of requests about decision points.

    Arguments:
        context: the drill.
        computed: decision points with the features that training has.
        served: the same points with the features that were served.
    """
    import pandas as pd

    from pipelines.gates.availability.fast_predict import rows_of
    from pipelines.gates.availability.parity import parity_findings, replay
    from pipelines.training.sample import spread_rows

    spec = context.spec
    keys, features = list(spec.points.keys), list(spec.feature_names)
    points = computed.drop_duplicates([*dict.fromkeys((*keys, "decision_time"))])
    points = spread_rows(spec, points, _REQUESTS)
    logged = served.loc[points.index]
    log = pd.DataFrame(
        {
            "event_time": logged["decision_time"],
            "entity": [canonical_json(entity_json(one)) for one in rows_of(logged[keys])],
            "features": [canonical_json(one) for one in rows_of(logged[features])],
        }
    )
    checks = {"parity": lambda: parity_findings(replay(spec, points, log), spec)}
    return run_checks(context.checks, checks)


def missing_online(context: DrillContext, size: float, workspace: Workspace) -> Cell | str:
    """The availability gate with an online store that has lost values of the first view.

    The store may be newer than the drill, so the gate reads the real events, which are newer too.

    Arguments:
        context: the drill; its model declares serving.
        size: share of the entities whose values are lost.
        workspace: has the frame of the events without a fault.

    Returns:
        The cell; a text where the store has nothing that could be lost.
    """
    from pipelines.flows.retrain.online_features import check_online_features
    from pipelines.spec.views import feature_views

    store, view = context.collaborators.online, feature_views(context.spec)[0]
    name = f"{view.model}.{view.name}"
    if store.state(name) is None:
        return f"the view {view.name} was never materialized"

    def findings(used: OnlineStore) -> tuple[Finding, ...]:
        collaborators = replace(context.collaborators, online=used)
        events, snapshot = context.copies.live, context.copies.snapshot
        request = Request(model=context.spec.name, as_of=context.as_of)
        run = Run(
            request=request,
            identity=RunIdentity(digest_of("drill")[:16], context.champion.number, None),
            spec=context.spec,
            common=context.spec,
            suite=context.suite,
            plan=context.plan,
            champion=context.champion,
            events=events,
            workspace=workspace,
            collaborators=collaborators,
        )
        checks = {"online": lambda: check_online_features(run, snapshot, {})}
        return run_checks(context.checks, checks)

    lost: OnlineStore = ForgetfulStore(store, name, size)  # type: ignore[assignment]  # only read
    return cell_of(size, turned(findings(lost), verdicts(findings(store))))


def cell_of(size: float, against: tuple[Finding, ...]) -> Cell:
    """A cell from the findings that a fault turned."""
    return Cell(
        size=size,
        caught_by=tuple(one.name for one in against),
        reason=against[0].reason if against else "",
    )
