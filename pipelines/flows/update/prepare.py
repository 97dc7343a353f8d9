"""Opens an update: the champion, the points that have matured since, and the windows of the run."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime

from pipelines.core.errors import DataError
from pipelines.core.time import Window
from pipelines.flows.retrain.contract import refuses
from pipelines.flows.retrain.request import LIVE
from pipelines.flows.retrain.run import Run
from pipelines.packaging.version import ModelVersion
from pipelines.release.lineages import verified_history
from pipelines.spec.model import ModelSpec
from pipelines.spec.update import Update
from pipelines.training.split import SplitPlan


class NothingToUpdate(DataError):  # noqa: N818 - named as the family in core is
    """A model has no champion that can be updated."""

    code = "nothing_to_update"


@dataclass(frozen=True)
class UpdateRun:
    """An update, opened.

    Arguments:
        run: with the windows of the update.
        champion: the version that is updated.
        update: as declared.
        points: decision times that are added.
    """

    run: Run
    champion: ModelVersion
    update: Update
    points: Window


def open_update(run: Run) -> UpdateRun:
    """Plan the update of a run's champion.

    Raises:
        NothingToUpdate: the declaration has no ``update``, there is no champion yet, or the
            champion has another recipe than the declaration.
    """
    request, champion = run.request, run.champion
    where = f"model {request.model}"
    if request.lineage != LIVE:
        raise NothingToUpdate(
            "only the lineage live is updated", where=where, got=request.lineage, wanted=LIVE
        )
    if run.spec.update is None:
        raise NothingToUpdate(
            "the declaration has no updates",
            where=where,
            wanted="`update: {every: 1h}`",
            hint="declare it, or retrain the model",
        )
    if champion is None or champion.plan.refit is None:
        raise NothingToUpdate(
            "there is no champion to update",
            where=where,
            got="no version" if champion is None else f"version {champion.number} without a refit",
            hint=f"`gauntlet retrain {request.model}` makes one",
        )
    if champion.spec.recipe != run.spec.recipe:
        raise NothingToUpdate(
            "the champion has another recipe than the declaration",
            where=where,
            got=f"version {champion.number}, recipe {champion.spec.recipe[:16]}",
            wanted=f"recipe {run.spec.recipe[:16]}",
            hint=f"`gauntlet retrain {request.model}` lets the gates judge the changed recipe",
        )
    plan = update_plan(run.spec, run.spec.update, request.as_of, champion)
    points = Window(champion.plan.refit.end, plan.refit_until - plan.maturity)
    opened = replace(run, plan=plan, increment=_increment(run, champion))
    return UpdateRun(opened, champion, run.spec.update, points)


def _increment(run: Run, champion: ModelVersion) -> Window:
    """Known times of the rows that no contract has judged yet.

    They begin at the champion's as-of, or where the newest stretch ends that an update has refused
    since: that stretch stays refused until it is excluded, and what follows is judged on its own.
    """
    request = run.request
    history = verified_history(request.model, run.collaborators.ledger, request.lineage)
    refused = (
        entry.increment.end
        for entry in history
        if entry.increment and entry.as_of < request.as_of and refuses(entry)
    )
    since = max([champion.plan.as_of, *refused])
    return Window(min(since, request.as_of), request.as_of)


def update_plan(
    spec: ModelSpec, update: Update, as_of: datetime, champion: ModelVersion
) -> SplitPlan:
    """The windows of an update.

    All points that have matured, up to the grid of updates, are added to the champion's training.
    Its twin learns those whose labels end before the recent window, as the updated version's twin.

    Arguments:
        spec: the declaration.
        update: its updates.
        as_of: of the run.
        champion: to be updated.
    """
    from pipelines.training.updates.learn import grid_floor

    before, every = champion.plan, update.every
    known = before.train.end if before.refit is None else before.refit.end
    end = max(grid_floor(as_of - spec.maturity, every), known)
    recent = Window(grid_floor(end - spec.split.recent, every), end)
    learned = grid_floor(recent.start - spec.maturity, every)
    return SplitPlan(
        as_of=as_of,
        maturity=spec.maturity,
        train=Window(before.train.start, max(learned, before.train.end)),
        recent=recent,
        refit=Window((before.refit or before.train).start, end),
    )
