"""Publishes plans for services: the registry's aliases, as verified copies on this machine."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from pipelines.core.errors import GauntletError
from pipelines.core.time import Clock
from pipelines.data.objects import ObjectStore
from pipelines.flows.versions import VersionReader
from pipelines.predictions.assignment import Allocation
from pipelines.predictions.journal import Journal
from pipelines.predictions.shipping import ShipReport, ship
from pipelines.release.ledger import Entry, Ledger
from pipelines.release.registry import CHALLENGER, CHAMPION
from pipelines.release.rollout.state import ReleaseState
from pipelines.serving.plan import PlannedVersion, ServingPlan, write_plan
from pipelines.spec.model import ModelSpec


@dataclass(frozen=True)
class PublishCollaborators:
    """What publishing a plan works with.

    Arguments:
        home: the folder with the services' plans.
        load_spec: reads a declaration by the model's name.
        versions: the registry, and verified copies of its versions.
        ledger: holds the challenger on live traffic and its share.
    """

    home: Path
    load_spec: Callable[[str], ModelSpec]
    versions: VersionReader
    ledger: Ledger


def plans_folder(home: Path) -> Path:
    """The folder with the plans of this machine's services."""
    return home / "serving"


def journal_path(home: Path, model: str) -> Path:
    """The journal of a model's predictions on this machine."""
    return home / "journal" / f"{model}.db"


def publish_plan(
    model: str, collaborators: PublishCollaborators, chain: list[Entry] | None = None
) -> ServingPlan:
    """Fetch the versions that the aliases name, and write the plan that workers read.

    The ledger determines the second version and its share of traffic, as long as the alias
    ``challenger`` names the same version. Removing the alias takes it off live traffic.

    Arguments:
        chain: the entries of the model's ledger that earlier calls have read; this call appends
            newer ones, so that frequent calls read each entry once.

    Raises:
        SpecError: no such model is declared.
        GauntletError: no version is champion.
        IntegrityError: a version's content is not what was registered; the plan does not change.
        Unavailable: the registry does not answer; the plan does not change.
    """
    champion = _serving(model, CHAMPION, collaborators.versions)
    if champion is None:
        collaborators.load_spec(model)  # an undeclared model needs another hint
        raise GauntletError(
            "there is no champion to serve",
            where=model,
            wanted=f"a version with the alias {CHAMPION}",
            hint=f"`gauntlet retrain {model}` makes a first version",
        )
    known = [] if chain is None else chain
    plan = _with_challenger(ServingPlan(model=model, champion=champion), collaborators, known)
    write_plan(plans_folder(collaborators.home), plan)
    return plan


def ship_log(model: str, home: Path, store: ObjectStore, clock: Clock) -> ShipReport | None:
    """Move the journal of this machine's service into the store; None without a journal.

    Raises:
        Unavailable: the store does not answer; nothing is lost, and the next run moves it.
    """
    path = journal_path(home, model)
    if not path.exists():
        return None
    with Journal(path) as journal:
        return ship(journal, store, model, clock)


def _with_challenger(
    plan: ServingPlan, collaborators: PublishCollaborators, chain: list[Entry]
) -> ServingPlan:
    """The plan with the second version, if its comparison is with this champion."""
    versions = collaborators.versions
    named = versions.registry.alias(plan.model, CHALLENGER)
    if named is None:
        return plan
    chain += collaborators.ledger.entries(plan.model, after=len(chain))
    move = ReleaseState.from_entries(plan.model, chain).active
    if move is None or move.challenger != named:
        return plan
    if chain[-1].champion_after != plan.champion.version:
        return plan  # an alias is being moved: the aliases and the ledger differ
    allocation = Allocation(salt=move.salt, share=move.share, shadow_share=move.shadow_share)
    challenger = _serving(plan.model, CHALLENGER, versions)
    return plan.model_copy(update={"challenger": challenger, "allocation": allocation})


def _serving(model: str, alias: str, versions: VersionReader) -> PlannedVersion | None:
    number = versions.registry.alias(model, alias)
    if number is None:
        return None
    info = versions.registry.get(model, number)
    folder = versions.download(model, number)
    return PlannedVersion(version=info.version, content=info.content, folder=str(folder.resolve()))
