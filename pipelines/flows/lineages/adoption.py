"""Adopting a backfill: its champion's recipe becomes a candidate for ``live``."""

from __future__ import annotations

from dataclasses import dataclass

from pydantic import ValidationError

from pipelines.core.errors import SpecError
from pipelines.flows.retrain.run import RetrainCollaborators
from pipelines.gates.audit.recipe_diff import recipe_changes
from pipelines.release.ledger import LIVE
from pipelines.release.verification import verified_entries
from pipelines.spec.model import ModelSpec


@dataclass(frozen=True)
class Adoption:
    """What a retraining of ``live`` takes over from another lineage.

    Arguments:
        version: the lineage's last champion.
        spec: the present declaration with the recipe of that version.
        changes: what differs between the declared recipe and that of the version, one line each.
    """

    version: str
    spec: ModelSpec
    changes: tuple[str, ...]


def plan_adoption(model: str, lineage: str, collaborators: RetrainCollaborators) -> Adoption:
    """Find the last champion of a lineage, and put its recipe into the present declaration.

    The stored model is not reused: the recipe is trained and judged in ``live`` as of now, by the
    gates that are declared now. Nothing is written.

    Raises:
        GauntletError: the lineage was pruned.
        SpecError: the lineage is ``live`` or has promoted nothing of its own, or its recipe does
            not fit into the present declaration.
        IntegrityError: the version is not what was registered, or the ledger cannot be followed.
    """
    entries = verified_entries(model, collaborators.ledger, lineage)
    where = f"{model}, lineage {lineage}"
    version = entries[-1].champion_after if entries else None
    own = {entry.candidate for entry in entries}
    if version is None or version not in own or lineage == LIVE:
        raise SpecError(
            "the lineage has no champion that could be adopted",
            where=where,
            got="the lineage live" if lineage == LIVE else f"champion {version or 'none'}",
            wanted="a lineage whose last champion is a version of its own",
            hint=f"`gauntlet lineages {model}` shows the champion of each lineage",
        )
    declared = collaborators.load_spec(model)
    adopted = collaborators.versions.load(model, version).spec
    try:
        spec = declared.with_recipe_of(adopted)
    except ValidationError as cause:
        raise SpecError(
            "a recipe does not fit into the present declaration",
            where=f"{where}, version {version}",
            got="; ".join(mistake["msg"] for mistake in cause.errors(include_url=False)),
            hint="change the declaration of the model to this recipe, and retrain it",
        ) from cause
    return Adoption(version, spec, recipe_changes(declared.as_json(), spec.as_json()))
