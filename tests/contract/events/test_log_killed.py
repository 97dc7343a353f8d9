"""``kill -9`` of the workers of a service, again and again: what was acknowledged is in the log.

Two workers share one journal, append from several threads, and both ship without a pause. They are
killed at random moments, so in the middle of transactions, of writes to the store and between the
steps. Then everything that any of them had acknowledged stands in the store exactly once.
"""

from __future__ import annotations

import os
import random
import signal
import sqlite3
import time
from datetime import UTC, datetime
from pathlib import Path

import pytest

from pipelines.core.time import FixedClock
from pipelines.predictions.journal import Journal
from pipelines.predictions.shipping import ship
from tests.contract.events.log_life import BATCH_ROWS, THREADS, live, open_store
from tests.support.prediction_factory import logged_rows
from tests.support.processes.forked import Forked, Surroundings

LIVES, MOST_LIVES, WORKERS = 6, 40, 2  # more lives on a slow machine, until a ship was caught


@pytest.fixture
def address(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "folder":
        return str(tmp_path / "store")
    return f"s3://{request.getfixturevalue('plain_bucket')}/below"


def one_life(path: Path, address: str, life: int, fsync: bool, rng: random.Random) -> list[str]:
    """Starts the workers, kills each at a moment of its own; what they had acknowledged."""
    outputs = [path.with_name(f"{life}-{number}") for number in range(WORKERS)]
    path.parent.mkdir(exist_ok=True)
    workers = []
    for output in outputs:
        inherits = Surroundings(os.environ, path.parent, output, output)
        workers.append(Forked(live, path, address, output.name, fsync, inherits=inherits))
    while not all(output.exists() and output.stat().st_size for output in outputs):
        assert [worker.poll() for worker in workers] == [None] * WORKERS, "one never was at work"
        time.sleep(0.005)
    for worker in workers:
        time.sleep(rng.uniform(0.02, 0.25))
        worker.kill()
    assert [worker.wait() for worker in workers] == [-signal.SIGKILL] * WORKERS, "one died itself"
    return "".join(output.read_text() for output in outputs).split()


@pytest.mark.slow
@pytest.mark.parametrize(
    ("address", "fsync"),
    [
        ("folder", True),
        pytest.param("s3", True, marks=pytest.mark.proof),  # in short: test_object_store.py
        ("folder", False),
    ],
    ids=["folder", "s3", "folder, no fsync"],
    indirect=["address"],
)
def test_what_was_acknowledged_is_in_the_log_exactly_once(
    address: str, fsync: bool, tmp_path: Path
) -> None:
    path, rng = tmp_path / "journal" / "demand.db", random.Random(20260105)
    store = open_store(address)
    acknowledged: list[str] = []
    lives = 0
    while lives < LIVES or (lives < MOST_LIVES and not list(logged_rows(store))):
        acknowledged += one_life(path, address, lives, fsync, rng)
        lives += 1
    assert list(logged_rows(store)), "no process was killed while shipping"
    with Journal(path, batch_rows=BATCH_ROWS) as journal:
        ship(journal, store, "demand", FixedClock(datetime.now(UTC)))
        assert journal.backlog().rows == 0
    with sqlite3.connect(path) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
    found = [row["request_id"] for row in logged_rows(store)]
    assert acknowledged, "they hardly lived"
    lost = set(acknowledged) - set(found)
    assert not lost, f"{len(lost)} of {len(acknowledged)} acknowledged are lost: {sorted(lost)[:5]}"
    assert len(found) == len(set(found)), f"{len(found) - len(set(found))} rows stand twice"
    unanswered = set(found) - set(acknowledged)
    assert len(unanswered) <= lives * WORKERS * THREADS, (
        "a kill leaves at most one prediction of each thread that was durable but not acknowledged"
    )
