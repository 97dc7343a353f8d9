"""The collaborators of monitoring."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from pipelines.core.time import Clock
from pipelines.data.events import Progress
from pipelines.data.reader import EventReader
from pipelines.flows.versions import VersionReader
from pipelines.release.ledger import Ledger
from pipelines.spec.model import ModelSpec

if TYPE_CHECKING:
    from pipelines.quality.suite import SuiteRunner


@dataclass(frozen=True)
class MonitorCollaborators:
    """What monitoring works with. It only reads, apart from its report.

    Arguments:
        folder: where the reports are written.
        load_spec: reads a declaration by the model's name.
        open_events: opens the event streams of a model.
        suite_runner: runs suites on tables.
        versions: the registry, and verified copies of its versions.
        ledger: has the champion of every instant.
        clock: the present instant.
        progress: called with short progress messages.
    """

    folder: Path
    load_spec: Callable[[str], ModelSpec]
    open_events: Callable[[ModelSpec], EventReader]
    suite_runner: SuiteRunner
    versions: VersionReader
    ledger: Ledger
    clock: Clock
    progress: Progress = lambda _: None
