"""A worker of a service: threads that append and say so, and a shipper that never rests.

    log_life.py <journal> <store> <name> <fsync: 0 or 1>

Prints the request id of every prediction whose append has returned. Lives until it is killed.
"""

import os
import sys
import threading
from datetime import UTC, datetime
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[3]))

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
        os.write(1, f"{request}\n".encode())  # a pipe takes it whole, and keeps it
        number += 1


def main(path: str, address: str, name: str, fsync: str) -> None:
    journal = Journal(Path(path), batch_rows=BATCH_ROWS, fsync=fsync == "1")
    store = open_store(address)
    for thread in range(THREADS):
        work = threading.Thread(target=append_on, args=(journal, f"{name}-{thread}"), daemon=True)
        work.start()
    while True:
        ship(journal, store, "demand", FixedClock(datetime.now(UTC)))


if __name__ == "__main__":
    main(*sys.argv[1:])
