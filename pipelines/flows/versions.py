"""Registered versions: verified by the ledger, downloaded and read; scores on a common frame.

An account that can write a version's files can write its tags as well. So the hash that the files
must have is the one in the ledger: the decision about a version recorded it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from pipelines.core.errors import IntegrityError
from pipelines.packaging.scoring import scoring_pipeline
from pipelines.packaging.version import ModelVersion, read_version
from pipelines.release.ledger import Entry, Ledger
from pipelines.release.registry import Registry, VersionInfo
from pipelines.release.verification import recorded_content, verified_entries
from pipelines.release.version_facts import NoSuchVersion, removed_version
from pipelines.spec.combine import other_names
from pipelines.spec.model import ModelSpec

if TYPE_CHECKING:
    import pandas as pd

    from pipelines.training.score import Scored


@dataclass(frozen=True)
class VersionReader:
    """Reads versions of a registry through verified copies on this machine.

    Arguments:
        registry: holds the versions.
        folder: where the copies are.
        ledger: has the hash of each version's content.
    """

    registry: Registry
    folder: Path
    ledger: Ledger

    def load(self, model: str, number: str) -> ModelVersion:
        """Load a version and the evidence saved in it.

        Raises:
            NoSuchVersion: there is no such version, or it was removed.
            IntegrityError: its content is not what was registered, or evidence is missing.
            Unavailable: the registry does not answer.
        """
        return read_version(self.download(model, number), model, number)

    def exists(self, model: str, number: str) -> bool:
        """Whether the registry has a version; ``False`` after it was removed.

        Raises:
            Unavailable: the registry does not answer.
        """
        return bool(self.registry.tags(model, number))

    def download(self, model: str, number: str) -> Path:
        """The verified directory of a version.

        Raises:
            As ``load``.
        """
        return self.fetch(self.verified(model, number))

    def verified(
        self, model: str, number: str, entries: Sequence[Entry] | None = None
    ) -> VersionInfo:
        """The facts of a version whose content hash is the one in the ledger.

        Arguments:
            model: the model's name.
            number: the version's number in the registry.
            entries: the verified chain of the version's lineage; default: it is read.

        Raises:
            NoSuchVersion: there is no such version, or it was removed.
            IntegrityError: the ledger has no decision about it, or another hash.
            Unavailable: the registry or the ledger does not answer.
        """
        try:
            info = self.registry.get(model, number)
        except NoSuchVersion as absent:
            raise self._removed(model, number) or absent from None
        if entries is None:
            entries = verified_entries(model, self.ledger, info.lineage, chosen=True)
        return vouched(info, entries)

    def _removed(self, model: str, number: str) -> NoSuchVersion | None:
        """The error for a version that a lineage has decided about; ``None`` if none has.

        A registry without any version of the model is another one, from which nothing was removed.
        """
        for lineage in self.ledger.lineages(model) if self.registry.versions(model) else ():
            entries = self.ledger.entries(model, lineage)
            if number in {entry.candidate for entry in entries}:
                return removed_version(model, number, lineage)
        return None

    def fetch(self, info: VersionInfo) -> Path:
        """The directory of a version from ``verified``, as a checked copy on this machine.

        Raises:
            IntegrityError: its content does not have the hash in the ledger.
            Unavailable: the registry does not answer.
        """
        return self.registry.download(info, self.folder)


def vouched(info: VersionInfo, entries: Sequence[Entry]) -> VersionInfo:
    """The facts of a version, if its content hash is the one in the ledger.

    Arguments:
        info: as the registry has them.
        entries: the verified chain of the version's lineage.

    Raises:
        IntegrityError: the ledger has no decision about it, or another hash.
    """
    recorded = recorded_content(entries, info.version)
    if recorded != info.content:
        raise IntegrityError(
            "the ledger does not vouch for a version",
            where=f"{info.model} version {info.version}, lineage {info.lineage}",
            got=f"content {info.content} in the registry",
            wanted=f"content {recorded}, as decided about"
            if recorded
            else "a decision about this version in the ledger",
            hint="do not use it; `gauntlet rollback` restores a former champion",
        )
    return info


def score_version(version: ModelVersion, spec: ModelSpec, rows: pd.DataFrame) -> Scored:
    """The predictions of a version's twin for a frame that another declaration shares with it.

    Arguments:
        version: the version to score, usually the champion.
        spec: the declaration that ``combined_spec`` extended with the version's features.
        rows: rows of the combined frame.
    """
    from pipelines.training.score import score

    twin = scoring_pipeline(version.twin_folder)
    return score(twin, version.spec, rows_of_version(version.spec, spec, rows))


def rows_of_version(own: ModelSpec, spec: ModelSpec, rows: pd.DataFrame) -> pd.DataFrame:
    """Rows of a combined frame with the names of columns as a version declared them.

    Arguments:
        own: the version's declaration.
        spec, rows: as for ``score_version``.
    """
    renamed = {column: name for name, column in other_names(spec, own).items()}
    others = [name for name in renamed.values() if name in rows.columns]
    kept = rows.drop(columns=others)
    frame = kept.rename(columns=renamed)
    for key in spec.points.keys:
        if key not in kept.columns:
            frame[key] = rows[key]
    return frame
