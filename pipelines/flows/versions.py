"""The champion as a run meets it: verified, read back from its own version, on the same rows."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipelines.core.errors import IntegrityError, SpecError
from pipelines.flows.collaborators import Parts, Run
from pipelines.packaging.package import EVIDENCE
from pipelines.release.budget import anchor
from pipelines.release.registry import VersionInfo
from pipelines.spec.features import AttributeFeature
from pipelines.spec.model import ModelSpec
from pipelines.spec.streams import Stream
from pipelines.training.split import SplitPlan

if TYPE_CHECKING:
    import pandas as pd

    from pipelines.training.score import Scored

OTHER = "champion_"


@dataclass(frozen=True)
class Incumbent:
    """The champion's version, its directory, and what was saved inside it."""

    info: VersionInfo
    folder: Path
    spec: ModelSpec
    envelope: dict[str, Any]
    plan: SplitPlan


def load_incumbent(run: Run) -> Incumbent | None:
    """The champion, its content verified; ``None`` when there is none yet.

    Raises:
        IntegrityError: when the version's content is not what was registered, or lacks its
            evidence.
    """
    return None if run.champion is None else load_version(run.parts, run.champion)


def load_anchor(run: Run, incumbent: Incumbent) -> Incumbent | None:
    """What the champion comes from by refreshes, verified; ``None`` when that is the champion.

    Every refresh has the recipe of what it replaces, so the champion's features serve it as well.

    Raises:
        IntegrityError: as for the champion.
    """
    version = anchor(run.parts.ledger.entries(run.request.model, run.request.lineage))
    info = run.version(version)
    if info is None or info.version == incumbent.info.version:
        return None
    return load_version(run.parts, info)


def load_version(parts: Parts, info: VersionInfo) -> Incumbent:
    """A version, its content verified, and what was saved inside it.

    Raises:
        IntegrityError: when the version's content is not what was registered, or lacks its
            evidence.
    """
    folder = parts.registry.download(info, parts.home / "versions")
    try:
        spec, envelope, plan = (
            json.loads((folder / EVIDENCE / name).read_text(encoding="utf-8"))
            for name in ("spec.json", "envelope.json", "split.json")
        )
        return Incumbent(
            info=info,
            folder=folder,
            spec=ModelSpec.model_validate(spec),
            envelope=envelope,
            plan=SplitPlan.model_validate(plan),
        )
    except (OSError, ValueError) as cause:
        raise IntegrityError(
            "a version lacks what was saved inside it",
            where=f"{info.model} version {info.version}",
            got=str(cause),
            wanted=f"spec.json, envelope.json and split.json in {EVIDENCE}/",
            hint="roll back to a version that is whole",
        ) from cause


def common_spec(spec: ModelSpec, incumbent: Incumbent | None) -> ModelSpec:
    """The candidate's declaration with the champion's features beside its own.

    One frame then holds what both models need, so that they are scored on the same rows whatever
    changed between their recipes. Points and label are the candidate's. A feature of the champion
    that the candidate declares otherwise, or not at all, is called ``champion_<name>``.

    Raises:
        SpecError: when the two read the same stream in ways that cannot stand in one run.
    """
    if incumbent is None or incumbent.spec.recipe == spec.recipe:
        return spec
    return combined_spec(spec, incumbent.spec)


def combined_spec(spec: ModelSpec, old: ModelSpec, prefix: str = OTHER) -> ModelSpec:
    """One declaration's points and label with the features of another beside its own.

    Arguments:
        prefix: of the names that features of the other get.

    Raises:
        SpecError: as ``common_spec``.
    """
    if (old.points.kind, old.points.keys) != (spec.points.kind, spec.points.keys):
        raise SpecError(
            "champion and candidate answer for different decision points",
            where=f"{spec.name}: points",
            got=f"{spec.points.kind} of {list(spec.points.keys)}",
            wanted=f"{old.points.kind} of {list(old.points.keys)}, as the champion's",
            hint="a model that is asked something else is a new model: give it another name",
        )
    others = [
        feature.model_copy(
            update={"name": prefix + feature.name}
            | ({"column": feature.source} if isinstance(feature, AttributeFeature) else {})
        )
        for feature in old.features
        if feature not in spec.features
    ]
    return ModelSpec.model_validate(
        spec.model_copy(
            update={
                "streams": _merged(old.streams, spec.streams),
                "features": (*spec.features, *others),
            }
        ).as_json()
    )


def _merged(old: dict[str, Stream], new: dict[str, Stream]) -> dict[str, Stream]:
    merged = {**old, **new}
    for name in old.keys() & new.keys():
        before, after = old[name], new[name]
        # In the order of the declaration, which is part of a snapshot's id.
        columns = {
            **after.columns,
            **{c: k for c, k in before.columns.items() if c not in after.columns},
        }
        same = before.model_copy(update={"columns": columns, "id": after.id})
        wanted = after.model_copy(update={"columns": columns})
        clash = [c for c in before.columns if columns[c] is not before.columns[c]]
        if same != wanted or clash:
            raise SpecError(
                "champion and candidate read one stream in different ways",
                where=f"streams.{name}",
                got=f"other times, source or column types than the champion's {sorted(clash)}",
                wanted="the same source, times and column types, so that both see the same rows",
                hint="declare the changed reading as a stream of another name",
            )
        merged[name] = wanted
    return merged


def score_incumbent(incumbent: Incumbent, spec: ModelSpec, rows: pd.DataFrame) -> Scored:
    """The champion's predictions for the rows of a common frame."""
    import mlflow.sklearn

    from pipelines.training.score import score

    pipeline = mlflow.sklearn.load_model(str(incumbent.folder))
    renamed = {
        OTHER + feature.name: feature.name
        for feature in incumbent.spec.features
        if feature not in spec.features
    }
    own = rows.drop(columns=[name for name in renamed.values() if name in rows.columns])
    keys = {name: rows[name] for name in spec.points.keys if name not in own.columns}
    return score(pipeline, incumbent.spec, own.rename(columns=renamed).assign(**keys))
