"""Publishes plans for services: the registry's aliases, as verified copies on this machine."""

from __future__ import annotations

from collections.abc import Callable, Sequence
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
from pipelines.release.registry import CHALLENGER
from pipelines.release.rollout.state import ReleaseState
from pipelines.release.verification import check_entries
from pipelines.serving.plan import PlannedSegments, PlannedVersion, ServingPlan, write_plan
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
    """Fetch the versions that the ledger names, and write the plan that workers read.

    The alias ``champion`` is not read: moving or deleting it changes nothing here. A second version
    answers as long as the alias ``challenger`` names it. Removing this alias takes it off live
    traffic.

    Arguments:
        chain: the entries of the model's ledger that earlier calls have read; this call appends
            newer ones, so that frequent calls read each entry once.

    Raises:
        SpecError: no such model is declared.
        GauntletError: no version is champion.
        IntegrityError: the ledger does not pass its verification, or a version does not have the
            content in the ledger; the plan does not change.
        Unavailable: the ledger or the registry does not answer; the plan does not change.
    """
    known = [] if chain is None else chain
    _read_chain(model, collaborators.ledger, known)
    number = known[-1].champion_after if known else None
    if number is None:
        collaborators.load_spec(model)  # an undeclared model needs another hint
        raise GauntletError(
            "there is no champion to serve",
            where=model,
            wanted="a version that the ledger has as champion",
            hint=f"`gauntlet retrain {model}` makes a first version",
        )
    champion = _planned(model, number, collaborators.versions, known)
    state = ReleaseState.from_entries(model, known)
    plan = ServingPlan(
        model=model,
        champion=champion,
        segments=_planned_segments(state, collaborators.versions, known),
    )
    plan = _with_challenger(plan, state, collaborators, known)
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


def _read_chain(model: str, ledger: Ledger, chain: list[Entry]) -> None:
    """Append newer entries to a chain, and check the whole chain if there are any.

    Raises:
        IntegrityError: the ledger cannot be followed; the chain stays as it was.
    """
    witnessed = ledger.witnessed(model)
    newer = ledger.entries(model, after=len(chain))
    whole = [*chain, *newer]
    if newer or (witnessed is not None and witnessed.sequence > len(chain)):
        check_entries(model, whole, witnessed=witnessed)
    chain += newer


def _planned_segments(
    state: ReleaseState, versions: VersionReader, chain: Sequence[Entry]
) -> PlannedSegments | None:
    if state.segments is None:
        return None
    planned = {one: _planned(state.model, one, versions, chain) for one in state.segments.versions}
    return PlannedSegments(
        column=state.segments.column,
        versions={value: planned[one.version] for value, one in state.segments.champions.items()},
    )


def _with_challenger(
    plan: ServingPlan,
    state: ReleaseState,
    collaborators: PublishCollaborators,
    chain: list[Entry],
) -> ServingPlan:
    """The plan with the second version, if the alias ``challenger`` names it as well."""
    versions = collaborators.versions
    move = state.active
    if move is None or versions.registry.alias(plan.model, CHALLENGER) != move.challenger:
        return plan
    allocation = Allocation(
        salt=move.salt, share=move.share, shadow_share=move.shadow_share, apart=move.apart
    )
    challenger = _planned(plan.model, move.challenger, versions, chain)
    return plan.model_copy(update={"challenger": challenger, "allocation": allocation})


def _planned(
    model: str, number: str, versions: VersionReader, chain: Sequence[Entry]
) -> PlannedVersion:
    info = versions.verified(model, number, chain)
    folder = versions.fetch(info)
    return PlannedVersion(version=info.version, content=info.content, folder=str(folder.resolve()))
