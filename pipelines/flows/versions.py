"""Registered versions: downloaded, verified and read; and a champion's scores on a common frame."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from pipelines.packaging.version import ModelVersion, read_version
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
        """Load a version and the evidence saved in it.

        Raises:
            GauntletError: there is no such version.
            IntegrityError: its content is not what was registered, or evidence is missing.
            Unavailable: the registry does not answer.
        """
        return read_version(self.download(model, number), model, number)

    def download(self, model: str, number: str) -> Path:
        """The verified directory of a version.

        Raises:
            As ``load``.
        """
        return self.registry.download(self.registry.get(model, number), self.folder)


def score_version(version: ModelVersion, spec: ModelSpec, rows: pd.DataFrame) -> Scored:
    """A version's predictions for the rows of a frame that another declaration shares with it.

    Arguments:
        version: the version to score, usually the champion.
        spec: the declaration that ``combined_spec`` extended with the version's features.
        rows: rows of the combined frame.
    """
    from pipelines.training.score import score

    renamed = {column: name for name, column in other_names(spec, version.spec).items()}
    own = rows.drop(columns=[name for name in renamed.values() if name in rows.columns])
    keys = {name: rows[name] for name in spec.points.keys if name not in own.columns}
    frame = own.rename(columns=renamed).assign(**keys)
    return score(version.load_pipeline(), version.spec, frame)
