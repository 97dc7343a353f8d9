"""A retraining whose every step runs on another machine: a process with an empty home of its own.

The machines share PostgreSQL, S3, MLflow's server and the declarations, and nothing else. Processes
are killed inside steps, and another machine goes on.
"""

from __future__ import annotations

import shutil
import signal
from collections.abc import Callable
from pathlib import Path

import pytest

from pipelines.flows.retrain.request import STEPS, Request
from tests.support.pharmacy import FIRST, RICH, SECOND, Pharmacy
from tests.support.services.machines import events_in_s3, running_machines

# Before the renames of these files, processes are killed. A file is in S3 before it is renamed
# here, and the list in S3 is replaced before the list here.
KILLED = {
    "snapshot": "rename snapshot.json",
    "features": "rename frame.parquet",
    "train": "rename candidate",
    "evaluate": "rename written.json",
    "register": "rename runs/demand/*/version",
}


@pytest.mark.slow
def test_a_run_on_many_machines_ends_as_on_one(
    champion: Pharmacy, new_postgres_database: Callable[[], str], tmp_path: Path
) -> None:
    first, second = (Request(model="demand", as_of=at) for at in (FIRST, SECOND))
    with (
        events_in_s3(Path(champion.store)),
        running_machines(tmp_path / "one", new_postgres_database()) as one,
        running_machines(tmp_path / "many", new_postgres_database()) as many,
    ):
        for machines in (one, many):
            home = machines.settings.home
            assert machines.run("decide", first, home) == 0, machines.log.read_text()
            machines.pharmacy.declare(RICH)
        assert one.run("decide", second, one.settings.home) == 0, one.log.read_text()

        for step in STEPS:
            if step in KILLED:
                killed = many.run(step, second, many.new_home(), KILLED[step])
                assert killed == -signal.SIGKILL, step
            home = many.new_home()
            assert many.run(step, second, home) == 0, many.log.read_text()
            shutil.rmtree(home)

        wanted = one.outcome()
        assert wanted["champion"] == "2"
        assert many.outcome() == wanted
