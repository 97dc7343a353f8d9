"""The versions of a recipe that a record is made of."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

from pipelines.core.errors import IntegrityError
from pipelines.flows.retrain.run import Run
from pipelines.flows.versions import VersionReader, vouched
from pipelines.gates.refresh.record import RefreshRecord
from pipelines.packaging.version import (
    RECORD,
    ModelVersion,
    evidence_path,
    read_record,
    read_version,
)
from pipelines.release.champion_periods import update_versions
from pipelines.release.ledger import Entry
from pipelines.release.registry import VersionInfo
from pipelines.spec.model import ModelSpec
from pipelines.training.split import SplitPlan


@dataclass(frozen=True)
class KeptVersion:
    """A registered version of a recipe.

    Arguments:
        info: its facts in the registry.
        trained_until: the instant until which its serving model was trained; records name the
            version by it.
    """

    info: VersionInfo
    trained_until: datetime


@dataclass(frozen=True)
class KeptVersions:
    """The versions of one recipe, oldest first, read only when they are needed."""

    recipe: str
    versions: tuple[KeptVersion, ...]
    reader: VersionReader
    entries: Sequence[Entry]

    def load(self, kept: KeptVersion) -> ModelVersion:
        """The verified version.

        Raises:
            IntegrityError: it is not what was registered, or was trained on another span than its
                facts in the registry state.
        """
        info = kept.info
        folder = self.reader.fetch(vouched(info, self.entries))
        version = read_version(folder, info.model, info.version)
        if version.plan.refit_until != kept.trained_until:
            raise IntegrityError(
                "a version's tags name another training span than its files",
                where=f"{info.model} version {info.version}",
                got=str(kept.trained_until),
                wanted=str(version.plan.refit_until),
            )
        return version

    def newest_record(self, run: Run) -> RefreshRecord:
        """The record that the newest version has; an empty one if none has any.

        A record ends when the declaration has another metric. The kept versions are then scored
        once more, on the weeks that the run's frame holds.
        """
        for kept in reversed(self.versions):
            for version in readable(self, kept, run):
                if not version.spec.metric.measures_as(run.spec.metric):
                    return RefreshRecord(recipe=self.recipe)
                if evidence_path(version.folder, RECORD).is_file():
                    return read_record(version.folder, RECORD, RefreshRecord)
        return RefreshRecord(recipe=self.recipe)


def kept_versions(run: Run, spec: ModelSpec, entries: Sequence[Entry]) -> KeptVersions:
    """The versions of one recipe in a lineage's history that were fitted as of earlier instants.

    Arguments:
        run: the opened run.
        spec: a declaration of the recipe: the candidate's or the champion's.
        entries: the verified history of the run's lineage.
    """
    decided = {entry.candidate for entry in entries} - update_versions(entries)
    found = (
        KeptVersion(info, SplitPlan.from_stored(info.split).refit_until)
        for info in run.collaborators.versions.registry.versions(run.spec.name)
        if info.version in decided and info.as_of < run.request.as_of
        if spec.has_recipe(info.recipe)
    )
    ordered = sorted(found, key=lambda one: one.trained_until)  # equal ones stay oldest first
    return KeptVersions(spec.recipe, tuple(ordered), run.collaborators.versions, entries)


def readable(versions: KeptVersions, kept: KeptVersion, run: Run) -> Iterator[ModelVersion]:
    """The version, or nothing if it cannot be verified: the record then goes on without it."""
    try:
        yield versions.load(kept)
    except IntegrityError as problem:
        run.collaborators.progress(f"version {kept.info.version} is not used: {problem.what}")
