"""The registry port: model versions, each with its evidence, and the aliases that name them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Protocol

from pydantic import Field

from pipelines.core.records import Instant, Record

CHAMPION = "champion"
CHALLENGER = "challenger"
LONGEST_DESCRIPTION = 5000  # characters in MLflow's database; SQLite alone takes longer ones


class Registration(Record):
    """The facts of a version before it has a number."""

    model: str
    run: str = Field(description="id of the run that trained it; at most one version per run")
    recipe: str = Field(description="ModelSpec.recipe: hash of what shapes the trained model")
    spec: str = Field(description="digest of the whole declaration")
    snapshot: str = Field(description="id of the snapshot it was trained on")
    as_of: Instant
    content: str = Field(
        pattern=r"^[0-9a-f]{64}$",
        description="SHA-256 over every path and byte of the version's directory, by our own rule",
    )
    split: dict[str, Any] = Field(description="SplitPlan, as JSON")
    lineage: str
    created_at: Instant
    tags: dict[str, str] = {}


class Shown(Record):
    """Values shown in the registry's own pages of a version. Gauntlet does not read them back."""

    parameters: dict[str, str] = {}
    metrics: dict[str, float] = {}
    started: Instant | None = Field(
        default=None, description="when the run's work began, by the wall clock; None: just now"
    )


class VersionInfo(Registration):
    """A registered version. ``tags`` holds its tags from registration and those set since."""

    version: str = Field(description="its id, see ``core.version_id``")


class Aliases(Protocol):
    """The aliases and tags of a registry. Also works on versions that were registered by hand."""

    def alias(self, model: str, name: str) -> str | None:
        """The version that the alias points at; None if there is no such model or alias."""
        ...

    def set_alias(self, model: str, name: str, version: str | None) -> None:
        """Point the alias at a version, or remove it (None). The last writer wins; repeatable.

        Raises:
            GauntletError: there is no such version, or it belongs to another lineage than live.
            Unavailable: the registry did not answer; running again is safe.
        """
        ...

    def tags(self, model: str, version: str) -> Mapping[str, str]:
        """Tags of any version, including versions registered by hand; empty if there is none."""
        ...

    def tag(self, model: str, version: str, key: str, value: str) -> None:
        """Set a tag; repeatable.

        Raises:
            GauntletError: there is no such version.
        """
        ...


class Registry(Aliases, Protocol):
    """Versions of models. Implementations: MLflow, and a plain folder for tests and backtests."""

    def find(self, model: str, run: str) -> VersionInfo | None:
        """The complete version that this run registered; None when there is none (yet)."""
        ...

    def register(
        self, registration: Registration, folder: Path, shown: Shown | None = None
    ) -> VersionInfo:
        """Upload a prepared directory as a new version, atomically.

        If the run has registered a version before, that version is returned. A registration that
        a killed process left incomplete is finished or ignored; ``find`` and ``versions`` never
        return it.

        Arguments:
            registration: facts of the version; ``content`` is the hash of ``folder``.
            folder: directory whose whole content becomes the version's.
            shown: parameters and metrics for the registry's own pages.

        Raises:
            IntegrityError: the folder does not have the hash ``registration.content``, or this run
                has registered other content before.
            Unavailable: the registry did not answer; running again is safe.
        """
        ...

    def get(self, model: str, version: str) -> VersionInfo:
        """The facts of a version.

        Raises:
            GauntletError: there is no such version, or Gauntlet did not register it.
        """
        ...

    def versions(self, model: str) -> tuple[VersionInfo, ...]:
        """Every complete version: those of ``live``, then the others, each oldest first."""
        ...

    def download(self, info: VersionInfo, into: Path) -> Path:
        """Download the version's directory to a local folder inside ``into``.

        Raises:
            IntegrityError: the content no longer has the hash ``info.content``.
            Unavailable: the registry did not answer; running again is safe.
        """
        ...

    def remove(self, info: VersionInfo) -> None:
        """Remove a version with its files; repeatable. Its number is not given again.

        Raises:
            GauntletError: an alias names the version.
            Unavailable: the registry did not answer; running again is safe.
        """
        ...

    def describe(self, model: str, version: str, markdown: str) -> None:
        """Set the description that a reviewer reads on the version's page."""
        ...

    def describe_model(self, model: str, markdown: str) -> None:
        """Set the description of a registered model; repeatable. Nothing if it does not exist."""
        ...

    def link_backfills(self, model: str, title: str, address: str) -> None:
        """Show a link where the versions of backfills are listed; a link of this title is replaced.

        Nothing happens without such versions.
        """
        ...

    def described(self, model: str, version: str) -> str:
        """The description that ``describe`` has set; empty if there is none.

        Raises:
            GauntletError: there is no such version.
        """
        ...
