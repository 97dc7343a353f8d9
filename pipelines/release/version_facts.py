"""Shared by all registries: a version's facts as tags, and the checks on its content."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from pipelines.core.errors import GauntletError, IntegrityError
from pipelines.core.files import draft_in, publish_folder
from pipelines.core.formats import check_schema_number
from pipelines.core.records import canonical_json
from pipelines.core.version_id import registered_models
from pipelines.packaging.package import content_digest
from pipelines.release.ledger import LIVE
from pipelines.release.registry import Registration, VersionInfo

RUN, CONTENT, LINEAGE, OUTCOME, ROLLOUT_STATUS = (
    f"gauntlet.{name}" for name in ("run", "content", "lineage", "outcome", "rollout_status")
)
TWIN_UNTIL, REFIT_UNTIL = "gauntlet.twin_trained_until", "gauntlet.refit_trained_until"
_FACTS = ("run", "recipe", "spec", "snapshot", "as_of", "content", "lineage", "created_at")
_SPLIT, _SCHEMA = "gauntlet.split", "gauntlet.schema"
TAGS_SCHEMA = 1


def registered_model_of(registration: Registration) -> str:
    """The registered model that a version is added to."""
    live, backfill = registered_models(registration.model)
    return live if registration.lineage == LIVE else backfill


def version_tags(registration: Registration) -> dict[str, str]:
    """The registration's facts and its own tags, as one mapping."""
    facts = registration.as_json()
    return {
        **registration.tags,
        **{f"gauntlet.{name}": str(facts[name]) for name in _FACTS},
        _SPLIT: canonical_json(facts["split"]),
        _SCHEMA: str(TAGS_SCHEMA),
    }


def version_from_tags(model: str, version: str, tags: Mapping[str, str]) -> VersionInfo:
    """Read a version from the tags that ``version_tags`` made.

    Raises:
        FormatError: a newer release registered it.
        GauntletError: the tags are not those of a version that Gauntlet registered.
    """
    named = {f"gauntlet.{name}" for name in _FACTS} | {_SPLIT, _SCHEMA}
    try:
        check_schema_number(
            int(tags[_SCHEMA]), TAGS_SCHEMA, "a version", f"{model} version {version}"
        )
        return VersionInfo.model_validate(
            {
                "model": model,
                "version": version,
                **{name: tags[f"gauntlet.{name}"] for name in _FACTS},
                "split": json.loads(tags[_SPLIT]),
                "tags": {key: value for key, value in tags.items() if key not in named},
            }
        )
    except (KeyError, ValueError) as cause:
        raise GauntletError(
            "a version was not registered by Gauntlet",
            where=f"{model} version {version}",
            got=f"tags {sorted(tags)}",
            wanted=f"tags {sorted(named)}",
            hint="register it with `gauntlet retrain`, or leave it out of what Gauntlet decides on",
        ) from cause


def check_alias_lineage(model: str, name: str, version: str, tags: Mapping[str, str]) -> None:
    """Check that a version belongs to the lineage ``live``, the only one that may serve.

    Raises:
        GauntletError: the version was made by a backfill or a backtest.
    """
    lineage = tags.get(LINEAGE, LIVE)
    if lineage != LIVE:
        raise GauntletError(
            f"a version outside the live lineage cannot be made {name}",
            where=f"{model} version {version}",
            got=f"lineage {lineage}",
            wanted="a version of the live lineage, or one registered by hand",
            hint="retrain live; backfills and backtests never touch what serves",
        )


def check_no_alias(info: VersionInfo, names: Sequence[str]) -> None:
    """Check that no alias names a version that is to be removed.

    Raises:
        GauntletError: one does.
    """
    if names:
        raise GauntletError(
            "a version that an alias names cannot be removed",
            where=f"{info.model} version {info.version}",
            got=f"alias {', '.join(sorted(names))}",
            hint="move the alias first",
        )


def no_such_version(model: str, version: str) -> GauntletError:
    """The exception for a version that does not exist."""
    return GauntletError(
        "there is no such version",
        where=model,
        got=f"version {version}",
        hint=f"`gauntlet ledger {model}` shows which there were; is GAUNTLET_MLFLOW_URI right?",
    )


def check_content(registration: Registration, folder: Path, where: str = "") -> None:
    """Check that a directory has the recorded content.

    Raises:
        IntegrityError: the hashes differ.
    """
    found = content_digest(folder) if folder.exists() else "nothing there"
    if found != registration.content:
        raise IntegrityError(
            "a model directory does not have the recorded content",
            where=where or str(folder),
            got=found,
            wanted=registration.content,
            hint="do not serve it; train this run again under a new as-of, or restore the files",
        )


def check_same_run(registration: Registration, found: VersionInfo) -> None:
    """Check that a run does not register two models with different content.

    Raises:
        IntegrityError: the run has registered other content.
    """
    if registration.content != found.content:
        raise IntegrityError(
            "this run has registered another model before",
            where=f"{found.model} version {found.version}, run {found.run}",
            got=registration.content,
            wanted=found.content,
            hint="find out who writes to the registry; delete that version there and run again",
        )


def download_verified(info: VersionInfo, into: Path, fetch: Callable[[Path], object]) -> Path:
    """The version's directory as ``into/<content>``, fetched unless there is a verified copy.

    Arguments:
        fetch: writes the directory to the given path.

    Raises:
        IntegrityError: the fetched directory does not have the recorded content.
    """
    target = into / info.content
    try:
        check_content(info, target)
    except IntegrityError:
        with draft_in(into) as draft:
            fetch(draft)
            check_content(info, draft, f"{info.model} version {info.version}")
            _put(info, draft, target)
    return target


def _put(info: VersionInfo, draft: Path, target: Path) -> None:
    """Move a verified copy to its final path, unless another process did so meanwhile."""
    try:
        publish_folder(draft, target)
    except FileExistsError:
        try:
            check_content(info, target)
        except IntegrityError:
            publish_folder(draft, target, replace=True)
