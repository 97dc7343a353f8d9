"""Registered versions: downloaded, verified and read; and a champion's scores on a common frame."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from pipelines.flows.collaborators import Run
from pipelines.packaging.version import ModelVersion, read_version
from pipelines.release.budget import reference_version
from pipelines.release.registry import Registry
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
    """

    registry: Registry
    folder: Path

    def load(self, model: str, number: str) -> ModelVersion:
        """A version with what was saved inside it.

        Raises:
            GauntletError: when there is no such version.
            IntegrityError: when its content is not what was registered, or evidence is missing.
            Unavailable: when the registry does not answer.
        """
        return read_version(self.download(model, number), model, number)

    def download(self, model: str, number: str) -> Path:
        """The verified directory of a version.

        Raises:
            As ``load``.
        """
        return self.registry.download(self.registry.get(model, number), self.folder)


def load_incumbent(run: Run) -> ModelVersion | None:
    """The champion, its content verified; ``None`` when there is none yet.

    Raises:
        IntegrityError: when the version's content is not what was registered, or lacks its
            evidence.
    """
    if run.champion is None:
        return None
    return run.parts.versions.load(run.request.model, run.champion.version)


def load_anchor(run: Run, incumbent: ModelVersion) -> ModelVersion | None:
    """What the champion comes from by refreshes, verified; ``None`` when that is the champion.

    Every refresh has the recipe of what it replaces, so the champion's features serve it as well.

    Raises:
        IntegrityError: as for the champion.
    """
    number = reference_version(run.parts.ledger.entries(run.request.model, run.request.lineage))
    if number is None or number == incumbent.number:
        return None
    return run.parts.versions.load(run.request.model, number)


def score_incumbent(incumbent: ModelVersion, spec: ModelSpec, rows: pd.DataFrame) -> Scored:
    """The champion's predictions for the rows of a common frame."""
    from pipelines.training.score import score

    renamed = {column: name for name, column in other_names(spec, incumbent.spec).items()}
    own = rows.drop(columns=[name for name in renamed.values() if name in rows.columns])
    keys = {name: rows[name] for name in spec.points.keys if name not in own.columns}
    frame = own.rename(columns=renamed).assign(**keys)
    return score(incumbent.load_pipeline(), incumbent.spec, frame)
