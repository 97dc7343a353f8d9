"""A worker of a service: threads that append and print so, and a shipper that never rests."""

import os
import threading
from datetime import UTC, datetime
from pathlib import Path

from pipelines.adapters.objects.local import LocalStore
from pipelines.adapters.objects.s3 import S3Store
from pipelines.core.time import FixedClock
from pipelines.data.objects import ObjectStore
from pipelines.predictions.journal import Journal
from pipelines.predictions.shipping import ship
from tests.support.prediction_factory import make_prediction

THREADS = 4  # of each worker that append: none has more than one prediction on its way
BATCH_ROWS = 20  # small, so that most kills meet a shipment


def open_store(address: str) -> ObjectStore:
    return S3Store(address) if address.startswith("s3://") else LocalStore(Path(address))


def append_on(journal: Journal, name: str) -> None:
    number = 0
    while True:
        request = f"{name}-{number}"
        journal.append([make_prediction(request)])
        os.write(1, f"{request}\n".encode())  # a file opened to append takes it whole
        number += 1


def live(path: Path, address: str, name: str, fsync: bool) -> None:
    """Print the id of every prediction whose append has returned, until this process is killed."""
    journal = Journal(path, batch_rows=BATCH_ROWS, fsync=fsync)
    store = open_store(address)
    for thread in range(THREADS):
        work = threading.Thread(target=append_on, args=(journal, f"{name}-{thread}"), daemon=True)
        work.start()
    while True:
        ship(journal, store, "demand", FixedClock(datetime.now(UTC)))
