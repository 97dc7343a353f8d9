"""A worker prepares weeks, says what it cannot prepare, and ends with its parent process."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
import time
from datetime import timedelta
from functools import partial
from pathlib import Path

import pytest

from pipelines.core.errors import Unavailable
from pipelines.flows.ahead.weeks import prepare_week
from pipelines.flows.ahead.worker import OrderResult, Worker
from pipelines.flows.retrain.request import Request
from pipelines.flows.retrain.run import RetrainCollaborators
from pipelines.flows.workspace import WRITTEN, Workspace
from tests.support.sales_home import AS_OF, SalesHome, connections_to, parts_elsewhere, rows

ROOT = Path(__file__).parents[4]
FIRST = Request(model="sales", as_of=AS_OF, lineage="backfill-1")


@pytest.fixture
def sales(tmp_path: Path) -> SalesHome:
    home = SalesHome(tmp_path, connections_to(rows(), tmp_path, AS_OF))
    home.declare()
    return home


def started(home: SalesHome) -> Worker:
    start = partial(parts_elsewhere, home.folder, home.folder / "store", AS_OF)
    return Worker(start, home.parts.load_spec("sales"))


@pytest.mark.parametrize("fits", [True, False])
def test_a_week_is_prepared_in_the_files_of_its_steps(sales: SalesHome, fits: bool) -> None:
    prepare_week(FIRST, fits, sales.folder / "ahead", sales.parts)
    [folder] = (sales.folder / "ahead").iterdir()
    steps = {"snapshot.json", "fresh-none.json", "frame.parquet", "features.json", "envelope.json"}
    fitted = {"fitted.json", "predictions.parquet", "candidate"} if fits else set()
    assert {path.name for path in folder.iterdir()} == steps | fitted | {WRITTEN, "started"}
    assert not Workspace.open_locked(folder).is_empty
    assert not (sales.folder / "home" / "runs").exists()
    assert not sales.parts.ledger.lineages("sales")


def test_a_week_that_cannot_be_prepared_is_answered_with_the_reason(sales: SalesHome) -> None:
    worker = started(sales)
    try:
        early = FIRST.model_copy(update={"as_of": AS_OF - timedelta(days=55)})
        for name, request in (("early", early), ("late", FIRST)):
            worker.order(name, partial(prepare_week, request, True, sales.folder / "ahead"))
        assert worker.open == 2
        first, second = worker.next_answer(), worker.next_answer()
        assert (first.name, second) == ("early", OrderResult("late"))
        assert first.problem
        assert worker.open == 0
    finally:
        worker.end()


def test_a_worker_that_was_killed_is_named(sales: SalesHome) -> None:
    worker = started(sales)
    week = partial(prepare_week, FIRST, True, sales.folder / "ahead")
    worker.order("late", week)
    assert worker.process.pid is not None
    os.kill(worker.process.pid, signal.SIGKILL)
    with pytest.raises(Unavailable, match="prepares weeks has ended") as ended:
        worker.next_answer()
    assert ended.value.got == "exit code -9"
    with pytest.raises(Unavailable):
        worker.order("late", week)
    worker.end()


def ten_minutes(begun: Path, _: RetrainCollaborators) -> None:
    begun.touch()
    time.sleep(600)


def test_an_interrupt_from_the_terminal_ends_no_worker_that_loads_its_modules(
    sales: SalesHome,
) -> None:
    worker = started(sales)
    try:
        assert worker.process.pid is not None
        os.kill(worker.process.pid, signal.SIGINT)
        worker.order("late", partial(prepare_week, FIRST, True, sales.folder / "ahead"))
        assert worker.next_answer() == OrderResult("late")
    finally:
        worker.end()


PARENT = """
    import sys, time
    from functools import partial
    from pathlib import Path
    from pipelines.flows.ahead.worker import Worker
    from tests.support.sales_home import AS_OF, parts_elsewhere
    from tests.unit.flows.ahead.test_worker import ten_minutes

    if __name__ == "__main__":
        folder = Path(sys.argv[1])
        start = partial(parts_elsewhere, folder, folder / "store", AS_OF)
        worker = Worker(start, start().load_spec("sales"))
        if sys.argv[2] == "works":
            worker.order("long", partial(ten_minutes, folder / "begun"))
            while not (folder / "begun").exists():
                time.sleep(0.01)
        print(worker.process.pid, flush=True)
        time.sleep(600)
"""


@pytest.mark.parametrize("state", ["works", "waits"])
def test_a_worker_ends_when_the_process_that_started_it_is_killed(
    sales: SalesHome, state: str
) -> None:
    script = sales.folder / "parent.py"
    script.write_text(textwrap.dedent(PARENT), encoding="utf-8")
    command = [sys.executable, str(script), str(sales.folder), state]
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    with subprocess.Popen(command, stdout=subprocess.PIPE, env=environment) as parent:
        assert parent.stdout is not None
        worker = int(parent.stdout.readline())
        parent.kill()
    for _ in range(600):
        if not running(worker):
            return
        time.sleep(0.1)
    os.kill(worker, signal.SIGKILL)
    raise AssertionError(f"process {worker} is still running a minute after its parent was killed")


def running(process: int) -> bool:
    """Whether a process that is no child of this one runs."""
    try:
        state = Path(f"/proc/{process}/stat").read_text(encoding="ascii").rsplit(")", 1)[1].split()
    except FileNotFoundError:
        return False
    return state[0] != "Z"
