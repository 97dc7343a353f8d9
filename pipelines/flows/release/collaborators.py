"""What a release step works with."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path

from pipelines.core.run_page import RunPages
from pipelines.core.time import Clock
from pipelines.data.reader import EventReader
from pipelines.flows.versions import VersionReader
from pipelines.release.ledger import Ledger
from pipelines.release.registry import Registry
from pipelines.spec.model import ModelSpec


@dataclass(frozen=True)
class ReleaseCollaborators:
    """What a release step works with.

    Arguments:
        load_spec: reads a model's declaration by name.
        open_events: reads the prediction log and the streams of a declaration.
        versions: reads registered versions.
        registry: holds the aliases, tags and pages of versions.
        pages: show live measurements in the charts of a version.
        ledger: records every decision.
        lock: held while the champion changes, by model and lineage.
        clock: the present instant.
        evidence_folder: the folder for the evidence of transitions.
        report_folder: the folder for the report of each model's newest step.
    """

    load_spec: Callable[[str], ModelSpec]
    open_events: Callable[[ModelSpec], EventReader]
    versions: VersionReader
    registry: Registry
    pages: RunPages
    ledger: Ledger
    lock: Callable[[str, str], AbstractContextManager[object]]
    clock: Clock
    evidence_folder: Path
    report_folder: Path
