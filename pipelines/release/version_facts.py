"""Shared by all registries: a version's facts as tags, and the checks on its content."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from pipelines.core.errors import GauntletError, IntegrityError
from pipelines.core.files import draft_in, publish_folder
from pipelines.core.formats import SCHEMA, StoredFormat
from pipelines.core.version_id import registered_models
from pipelines.packaging.package import content_digest
from pipelines.release.ledger import LIVE
from pipelines.release.registry import Registration, VersionInfo

AS_OF, LINEAGE, OUTCOME, GAIN, ROLLOUT = "as_of", "lineage", "outcome", "gain", "rollout"
UPDATE_OF = "update of"
UNDECIDED = "undecided"  # the outcome until the decision
FACTS = "gauntlet.facts"
_FORMAT = StoredFormat("a version", Registration, upgrades=(lambda fields: fields,))
_OLD = "gauntlet."  # before 0.2.0 each fact had a tag of its own, with this prefix
_OLD_FACTS = ("run", "recipe", "spec", "snapshot", "as_of", "content", "lineage", "created_at")
_OLD_NAMES = {f"{_OLD}outcome": OUTCOME, f"{_OLD}rollout_status": ROLLOUT}
_OLD_SCHEMA, _OLD_SPLIT = f"{_OLD}schema", f"{_OLD}split"


def registered_model_of(registration: Registration) -> str:
    """The registered model that a version is added to."""
    live, backfill = registered_models(registration.model)
    return live if registration.lineage == LIVE else backfill


def with_link(page: str, title: str, address: str) -> str:
    r"""A page of Markdown with a link under its first line, in place of one with this title.

    >>> with_link("Versions.\n- [A](http://a)", "B", "http://b")
    'Versions.\n- [B](http://b)\n- [A](http://a)'
    """
    start = f"- [{title}]("
    kept = [line for line in page.splitlines() if not line.startswith(start)]
    return "\n".join([*kept[:1], f"{start}{address})", *kept[1:]])


def version_tags(registration: Registration) -> dict[str, str]:
    """The registration as tags: a few short ones for people, and all facts in one for Gauntlet."""
    facts = registration.model_copy(update={"tags": {}})
    return {
        **registration.tags,
        AS_OF: f"{registration.as_of:%Y-%m-%d}",
        LINEAGE: registration.lineage,
        FACTS: _FORMAT.to_text(facts),
    }


def has_facts(tags: Mapping[str, str]) -> bool:
    """Whether Gauntlet registered the version with these tags."""
    return FACTS in tags or f"{_OLD}run" in tags


def version_from_tags(model: str, version: str, tags: Mapping[str, str]) -> VersionInfo:
    """Read a version from the tags that ``version_tags`` made, in this release or in 0.1.0.

    Raises:
        FormatError: a newer release registered it.
        GauntletError: the tags are not those of a version that Gauntlet registered.
    """
    where = f"{model} version {version}"
    own: tuple[str, ...] = (AS_OF, LINEAGE, FACTS)
    try:
        if FACTS in tags:
            facts = _FORMAT.from_text(tags[FACTS], where)
        else:
            facts = _FORMAT.from_json(_old_facts(model, tags), where)
            own = (_OLD_SCHEMA, _OLD_SPLIT, *(f"{_OLD}{name}" for name in _OLD_FACTS))
    except (KeyError, ValueError) as cause:
        raise GauntletError(
            "a version was not registered by Gauntlet",
            where=where,
            got=f"tags {sorted(tags)}",
            wanted=f"the tag {FACTS}",
            hint="register it with `gauntlet retrain`, or leave it out of what Gauntlet decides on",
        ) from cause
    others = {_OLD_NAMES.get(key, key): value for key, value in tags.items() if key not in own}
    return VersionInfo(
        **{**dict(facts), "model": model, "tags": others},
        version=version,
    )


def _old_facts(model: str, tags: Mapping[str, str]) -> dict[str, object]:
    """The facts in the tags of 0.1.0, as JSON of schema 1."""
    return {
        SCHEMA: int(tags[_OLD_SCHEMA]),
        "model": model,
        **{name: tags[f"{_OLD}{name}"] for name in _OLD_FACTS},
        "split": json.loads(tags[_OLD_SPLIT]),
    }


def check_alias_lineage(model: str, name: str, version: str, tags: Mapping[str, str]) -> None:
    """Check that a version belongs to the lineage ``live``, the only one that may serve.

    Raises:
        GauntletError: the version was made by a backfill or a backtest.
    """
    lineage = version_from_tags(model, version, tags).lineage if has_facts(tags) else LIVE
    if lineage != LIVE:
        raise GauntletError(
            f"a version outside the live lineage cannot be made {name}",
            where=f"{model} version {version}",
            got=f"lineage {lineage}",
            wanted="a version of the live lineage, or one registered by hand",
            hint=f"`gauntlet adopt {model} --lineage {lineage}` lets the gates of live judge it",
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


class NoSuchVersion(GauntletError):  # noqa: N818 - named as the family in core is
    """The registry does not have a version."""


def no_such_version(model: str, version: str) -> NoSuchVersion:
    """The exception for a version that does not exist."""
    return NoSuchVersion(
        "there is no such version",
        where=model,
        got=f"version {version}",
        hint=f"`gauntlet ledger {model}` shows which there were; is GAUNTLET_MLFLOW_URI right?",
    )


def removed_version(model: str, version: str, lineage: str) -> NoSuchVersion:
    """The exception for a version that a lineage has decided about, and that was removed."""
    why = "a retraining removes what nothing needs" if lineage == LIVE else "the lineage was pruned"
    return NoSuchVersion(
        "this version was removed from the registry",
        where=f"{model}, lineage {lineage}",
        got=f"version {version}",
        hint=f"{why}; its decisions are kept: `gauntlet ledger {model} --lineage {lineage}`",
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
