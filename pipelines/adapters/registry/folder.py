"""A model registry in a folder, without a server, for tests and backtests."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path

from pipelines.core.files import atomic_folder, remove_drafts, write_bytes
from pipelines.core.records import canonical_json
from pipelines.core.version_id import (
    RegisteredVersion,
    registered_models,
    registered_version,
    version_id,
)
from pipelines.release.registry import Registration, Shown, VersionInfo
from pipelines.release.version_facts import (
    check_alias_lineage,
    check_content,
    check_no_alias,
    check_same_run,
    download_verified,
    no_such_version,
    registered_model_of,
    version_from_tags,
    version_tags,
    with_link,
)

_FACTS, _PAGE, _MODEL = "version.json", "description.md", "model"
_ALIASES = "aliases.json"


class FolderRegistry:
    """Versions under ``<root>/<registered model>/<number>/``: facts and tags, and the model.

    A version is created by one rename. Use one writer at a time for each model: of concurrent
    writes to an alias or tag the last one wins, and no reader gets a partial file.
    """

    def __init__(self, root: Path) -> None:
        self._root = root

    def find(self, model: str, run: str) -> VersionInfo | None:
        """The complete version that this run registered; None when there is none (yet)."""
        return next((info for info in self.versions(model) if info.run == run), None)

    def register(
        self, registration: Registration, folder: Path, shown: Shown | None = None
    ) -> VersionInfo:
        """Copy a prepared directory as a new version, atomically."""
        check_content(registration, folder)
        found = self.find(registration.model, registration.run)
        if found is not None:
            check_same_run(registration, found)
            return found
        home = self._root / registered_model_of(registration)
        number = str(max((int(path.name) for path in _numbers(home)), default=0) + 1)
        remove_drafts(home)
        with atomic_folder(home / number) as draft:
            shutil.copytree(folder, draft / _MODEL)
            _write(draft / _FACTS, {"tags": version_tags(registration), "shown": _json(shown)})
        return self.get(*version_id(RegisteredVersion(home.name, number)))

    def get(self, model: str, version: str) -> VersionInfo:
        """A version's facts."""
        tags = self.tags(model, version)
        if not tags:
            raise no_such_version(model, version)
        return version_from_tags(model, version, tags)

    def versions(self, model: str) -> tuple[VersionInfo, ...]:
        """Every complete version: those of ``live``, then the others, each oldest first."""
        return tuple(
            self.get(*version_id(RegisteredVersion(name, path.name)))
            for name in registered_models(model)
            for path in sorted(_numbers(self._root / name), key=lambda path: int(path.name))
        )

    def download(self, info: VersionInfo, into: Path) -> Path:
        """A verified copy of the version's directory inside ``into``."""
        found = self._folder(info.model, info.version) / _MODEL
        return download_verified(info, into, lambda part: shutil.copytree(found, part))

    def remove(self, info: VersionInfo) -> None:
        """Remove a version; its number is not given again, unless it was the highest."""
        aliases = self._aliases(info.model)
        check_no_alias(info, [name for name, to in aliases.items() if to == info.version])
        folder = self._folder(info.model, info.version)
        if folder.exists():
            shutil.rmtree(folder)

    def describe(self, model: str, version: str, markdown: str) -> None:
        """Save the description of a version."""
        self.get(model, version)
        (self._folder(model, version) / _PAGE).write_text(markdown, encoding="utf-8")

    def describe_model(self, model: str, markdown: str) -> None:
        """Save the description of a registered model."""
        if (self._root / model).exists():
            (self._root / model / _PAGE).write_text(markdown, encoding="utf-8")

    def link_backfills(self, model: str, title: str, address: str) -> None:
        """Save a link next to the versions of backfills."""
        _, backfills = registered_models(model)
        page = self._root / backfills / _PAGE
        if page.parent.exists():
            text = page.read_text(encoding="utf-8") if page.exists() else ""
            page.write_text(with_link(text, title, address), encoding="utf-8")

    def described(self, model: str, version: str) -> str:
        """The description of a version; empty when it has none."""
        self.get(model, version)
        page = self._folder(model, version) / _PAGE
        return page.read_text(encoding="utf-8") if page.exists() else ""

    def alias(self, model: str, name: str) -> str | None:
        """The version that the alias points at; None when there is none."""
        return self._aliases(model).get(name)

    def set_alias(self, model: str, name: str, version: str | None) -> None:
        """Point the alias at a version, or remove it (None)."""
        aliases = self._aliases(model)
        aliases.pop(name, None)
        if version is not None:
            tags = self.tags(model, version)
            if not tags:
                raise no_such_version(model, version)
            check_alias_lineage(model, name, version, tags)
            aliases[name] = version
        if aliases or (self._root / model).exists():
            _write(self._root / model / _ALIASES, aliases)

    def tags(self, model: str, version: str) -> Mapping[str, str]:
        """Tags of a version; empty when absent."""
        path = self._folder(model, version) / _FACTS
        if not path.exists():
            return {}
        tags: dict[str, str] = json.loads(path.read_text(encoding="utf-8"))["tags"]
        return tags

    def tag(self, model: str, version: str, key: str, value: str) -> None:
        """Set a tag."""
        path = self._folder(model, version) / _FACTS
        if not path.exists():
            raise no_such_version(model, version)
        facts = json.loads(path.read_text(encoding="utf-8"))
        _write(path, {**facts, "tags": {**facts["tags"], key: value}})

    def _folder(self, model: str, version: str) -> Path:
        found = registered_version(model, version)
        return self._root / found.model / found.number

    def _aliases(self, model: str) -> dict[str, str]:
        path = self._root / model / _ALIASES
        found: dict[str, str] = (
            json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
        )
        return found


def _numbers(home: Path) -> Iterator[Path]:
    """The folders of the versions of a registered model."""
    return (path for path in home.glob("*") if path.name.isdigit())


def _json(shown: Shown | None) -> object:
    return None if shown is None else shown.as_json()


def _write(path: Path, value: object) -> None:
    write_bytes(path, (canonical_json(value) + "\n").encode())
