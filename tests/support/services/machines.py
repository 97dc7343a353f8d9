"""Machines that share PostgreSQL, S3 and MLflow's server, each with a home of its own."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from pipelines.adapters.objects.s3 import S3Store
from pipelines.flows.retrain.request import Request, Step
from pipelines.release.registry import CHAMPION
from pipelines.settings import Settings
from pipelines.wiring import connect
from tests.support import servers
from tests.support.kills import dying
from tests.support.pharmacy import ROOT, Pharmacy
from tests.support.processes.forked import Forked, Surroundings

EVENTS = "s3://gauntlet/events"
CLOCKED = ("recorded_at", "previous", "hash")  # of an entry: what depends on the clock


@contextmanager
def events_in_s3(store: Path) -> Iterator[None]:
    """S3 with the events of a folder, in a bucket that keeps versions; clients find it."""
    with servers.running_s3("gauntlet") as environment, pytest.MonkeyPatch.context() as patch:
        for name, value in environment.items():
            patch.setenv(name, value)
        copy = S3Store(EVENTS)
        for path in sorted(store.rglob("*.parquet")):
            copy.write(path.relative_to(store).as_posix(), path)
        yield


@dataclass
class Machines:
    """Processes that share a ledger, a registry, events and a shared folder.

    Arguments:
        pharmacy: has the declarations.
        settings: the addresses of the services, and the home of the first machine.
        folder: of the homes.
    """

    pharmacy: Pharmacy
    settings: Settings
    folder: Path
    homes: list[Path] = field(default_factory=list)

    def new_home(self) -> Path:
        """The home of another machine."""
        self.homes.append(self.folder / f"home-{len(self.homes)}")
        return self.homes[-1]

    def environment(self, home: Path) -> dict[str, str]:
        """The settings as a process of a machine finds them."""
        known = self.settings
        return self.pharmacy.environment | {
            "GAUNTLET_HOME": str(home),
            "GAUNTLET_LEDGER_URL": known.ledger_url,
            "GAUNTLET_MLFLOW_URI": known.mlflow_uri,
            "GAUNTLET_SHARED": known.shared,
        }

    def run(self, step: Step, request: Request, home: Path, place: str = "") -> int:
        """One step on a machine, until a place; its exit code."""
        inherits = Surroundings(os.environ | self.environment(home), ROOT, self.log, self.log)
        return Forked(dying.retrain_step, step, request, place, inherits=inherits).wait()

    @property
    def log(self) -> Path:
        """The output of all processes."""
        return self.folder / "log"

    def outcome(self) -> dict[str, Any]:
        """The ledger, the versions and the champion."""
        parts = connect(self.settings)
        return {
            "ledger": [
                {key: value for key, value in entry.as_json().items() if key not in CLOCKED}
                for entry in parts.ledger.entries("demand")
            ],
            "versions": [(one.version, one.content) for one in parts.registry.versions("demand")],
            "champion": parts.registry.alias("demand", CHAMPION),
        }


@contextmanager
def running_machines(folder: Path, ledger: str) -> Iterator[Machines]:
    """Machines with a declared model, and MLflow's server, until the end of the block.

    Arguments:
        folder: its name is also that of the shared folder in S3.
        ledger: address of an empty database of PostgreSQL.
    """
    pharmacy = Pharmacy(folder / "declared", EVENTS)
    pharmacy.declare()
    server, address = servers.mlflow(folder)
    try:
        server.start()
        settings = Settings(
            home=folder / "first",
            models=pharmacy.settings.models,
            expectations=pharmacy.settings.expectations,
            store=EVENTS,
            shared=f"s3://gauntlet/{folder.name}",
            mlflow_uri=address,
            ledger_url=ledger.replace("postgresql://", "postgresql+psycopg://"),
        )
        yield Machines(pharmacy, settings, folder)
    finally:
        server.stop()
