"""A retraining whose every step runs on another machine: a process with an empty home of its own.

The machines share PostgreSQL, S3, MLflow's server and the declarations, and nothing else. Processes
are killed inside steps, and another machine goes on.
"""

from __future__ import annotations

import os
import shutil
import signal
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from pipelines.adapters.objects.s3 import S3Store
from pipelines.flows.retrain.request import STEPS, Request, Step
from pipelines.release.registry import CHAMPION
from pipelines.wiring import connect
from tests.support import servers
from tests.support.kills import dying
from tests.support.pharmacy import FIRST, RICH, ROOT, SECOND, Pharmacy
from tests.support.processes.forked import Forked, Surroundings

# Before the renames of these files, processes are killed. A file is in S3 before it is renamed
# here, and the list in S3 is replaced before the list here.
KILLED = {
    "snapshot": "rename snapshot.json",
    "features": "rename frame.parquet",
    "train": "rename candidate",
    "evaluate": "rename written.json",
    "register": "rename runs/demand/*/version",
}
CLOCKED = ("recorded_at", "previous", "hash")


@dataclass
class Machines:
    """Processes that share services, each with a home of its own unless one is given.

    Arguments:
        pharmacy: has the declarations.
        environment: the addresses of the services.
        folder: of the homes.
    """

    pharmacy: Pharmacy
    environment: dict[str, str]
    folder: Path
    homes: list[Path] = field(default_factory=list)

    def run(self, step: Step, request: Request, place: str = "", home: Path | None = None) -> int:
        """One step on a machine; its exit code."""
        if home is None:
            home = self.folder / f"home-{len(self.homes)}"
            self.homes.append(home)
        log = self.folder / "log"
        settings = {**self.environment, "GAUNTLET_HOME": str(home)}
        inherits = Surroundings(os.environ | settings, ROOT, log, log)
        return Forked(dying.retrain_step, step, request, place, inherits=inherits).wait()

    def log(self) -> str:
        return (self.folder / "log").read_text()


@pytest.fixture(scope="module")
def events(champion: Pharmacy) -> Iterator[dict[str, str]]:
    """S3 with the events of a pharmacy, in a bucket that keeps versions."""
    with servers.running_s3("gauntlet") as environment, pytest.MonkeyPatch.context() as patch:
        for name, value in environment.items():
            patch.setenv(name, value)
        store, local = S3Store("s3://gauntlet/events"), Path(champion.store)
        for path in sorted(local.rglob("*.parquet")):
            store.write(path.relative_to(local).as_posix(), path)
        yield environment


@pytest.fixture
def installation(
    events: dict[str, str],
    new_postgres_database: Callable[[], str],
    tmp_path: Path,
) -> Iterator[Callable[[str], Machines]]:
    """Makes machines with a ledger, a registry and a shared folder of their own."""
    started: list[servers.Server] = []

    def make(name: str) -> Machines:
        folder = tmp_path / name
        pharmacy = Pharmacy(folder / "declared", "s3://gauntlet/events")
        pharmacy.declare()
        server, address = servers.mlflow(folder)
        server.start()
        started.append(server)
        ledger = new_postgres_database().replace("postgresql://", "postgresql+psycopg://")
        environment = pharmacy.environment | {
            "GAUNTLET_LEDGER_URL": ledger,
            "GAUNTLET_MLFLOW_URI": address,
            "GAUNTLET_SHARED": f"s3://gauntlet/{name}",
        }
        return Machines(pharmacy, environment, folder)

    yield make
    for server in started:
        server.stop()


def outcome(machines: Machines) -> dict[str, Any]:
    """The ledger, the versions and the champion, without the clock's instants."""
    with pytest.MonkeyPatch.context() as patch:
        for name, value in machines.environment.items():
            patch.setenv(name, value)
        parts = connect()
        return {
            "ledger": [
                {key: value for key, value in entry.as_json().items() if key not in CLOCKED}
                for entry in parts.ledger.entries("demand")
            ],
            "versions": [(one.version, one.content) for one in parts.registry.versions("demand")],
            "champion": parts.registry.alias("demand", CHAMPION),
        }


def test_a_run_on_many_machines_ends_as_on_one(installation: Callable[[str], Machines]) -> None:
    first, second = (Request(model="demand", as_of=at) for at in (FIRST, SECOND))
    one, many = installation("one"), installation("many")
    for machines in (one, many):
        assert machines.run("decide", first, home=machines.folder / "first") == 0, machines.log()
        machines.pharmacy.declare(RICH)
    assert one.run("decide", second, home=one.folder / "first") == 0, one.log()

    for step in STEPS:
        if step in KILLED:
            assert many.run(step, second, KILLED[step]) == -signal.SIGKILL, step
        assert many.run(step, second) == 0, many.log()
        for home in many.homes:
            shutil.rmtree(home)
        many.homes.clear()

    wanted = outcome(one)
    assert wanted["champion"] == "2"
    assert outcome(many) == wanted
