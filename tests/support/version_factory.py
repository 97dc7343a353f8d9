"""A version that is nothing but a text, for tests of who is champion."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

from pipelines.adapters.registry.folder import FolderRegistry
from pipelines.packaging.package import content_digest
from pipelines.release.ledger import LIVE
from pipelines.release.registry import Registration


def register(
    registry: FolderRegistry, folder: Path, run: str, at: datetime, lineage: str = LIVE
) -> str:
    """The number of the version that a run registers; its package is made below ``folder``."""
    package = folder / "packages" / run
    package.mkdir(parents=True, exist_ok=True)
    (package / "model.txt").write_text(run)
    registration = Registration(
        model="demand",
        run=run,
        recipe="r",
        spec="s",
        snapshot="n",
        as_of=at,
        content=content_digest(package),
        split={},
        lineage=lineage,
        created_at=at,
    )
    return registry.register(registration, package).version
