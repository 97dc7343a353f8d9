"""How many appends a second the prediction journal makes durable, and what a caller waits.

    python benchmarks/journal.py --folder .            # on the disk that is to hold the journal

Each append is one prediction with twelve features and returns when it is on the disk. Workers are
processes of their own on one file. For comparison: an fsync of the same disk, and with ``--ship`` a
process that ships to a folder all the time.
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import tempfile
import threading
from datetime import UTC, datetime
from pathlib import Path
from time import perf_counter, sleep
from typing import Any

from pipelines.adapters.objects.local import LocalStore
from pipelines.core.time import FixedClock
from pipelines.predictions.journal import Journal
from pipelines.predictions.record import Prediction
from pipelines.predictions.shipping import ship
from pipelines.spec.predictions import Arm

NOW = datetime(2026, 1, 5, 12, tzinfo=UTC)


def prediction(number: int, worker: int) -> Prediction:
    """An answer of the usual size."""
    return Prediction(
        request_id=f"{worker}-{number:012d}",
        version="7",
        arm=Arm.CHAMPION,
        decided_at=NOW,
        entity={"shop": f"shop-{number % 300}", "medicine": "amoxicillin"},
        features={f"feature_{at}": number * 0.37 + at for at in range(12)},
        freshness={"stock": 12.5},
        prediction=number * 0.11,
        latency_ms=3.2,
    )


def work(path: Path, worker: int, threads: int, seconds: float, answer: Any) -> None:
    """One worker: threads that append one after the other; answers with what each wait took."""
    waits: list[float] = []

    def append(thread: int) -> None:
        number, end = thread * 10**9, perf_counter() + seconds
        while perf_counter() < end:
            one = [prediction(number, worker)]
            begun = perf_counter()
            journal.append(one)
            waits.append(perf_counter() - begun)
            number += 1

    with Journal(path) as journal:
        running = [threading.Thread(target=append, args=(n,)) for n in range(threads)]
        for thread in running:
            thread.start()
        for thread in running:
            thread.join()
    answer.put(waits)


def ship_on(path: Path, store: Path) -> None:
    """Ship five times a second until killed."""
    with Journal(path) as journal:
        while True:
            ship(journal, LocalStore(store), "demand", FixedClock(NOW))
            sleep(0.2)


def fsync_ms(folder: Path) -> float:
    """Median of what the disk takes alone."""
    taken = []
    with (folder / "probe").open("wb") as file:
        for _ in range(200):
            file.write(b"x" * 4096)
            file.flush()
            begun = perf_counter()
            os.fsync(file.fileno())
            taken.append(perf_counter() - begun)
    return sorted(taken)[100] * 1e3


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--folder", type=Path, default=None)
    parser.add_argument("--seconds", type=float, default=5)
    parser.add_argument("--ship", action="store_true")
    arguments = parser.parse_args()
    context = multiprocessing.get_context("spawn")
    print("| processes | threads each | appends/s | p50 ms | p99 ms | longest ms |")
    print("|---|---|---|---|---|---|")
    for workers, threads in ((1, 1), (1, 8), (1, 32), (2, 8), (4, 8)):
        with tempfile.TemporaryDirectory(dir=arguments.folder) as name:
            folder, answers = Path(name), context.Queue()
            path, probe = folder / "journal.db", fsync_ms(folder)
            others = [context.Process(target=ship_on, args=(path, folder / "store"), daemon=True)]
            for one in others * arguments.ship:
                one.start()
            running = [
                context.Process(target=work, args=(path, n, threads, arguments.seconds, answers))
                for n in range(workers)
            ]
            for one in running:
                one.start()
            waits = sorted(wait for _ in running for wait in answers.get())
            for one in others * arguments.ship:
                one.kill()
                one.join()
        p50, p99 = (waits[int(len(waits) * q)] * 1e3 for q in (0.5, 0.99))
        rate, longest = len(waits) / arguments.seconds, waits[-1] * 1e3
        print(f"| {workers} | {threads} | {rate:,.0f} | {p50:.2f} | {p99:.2f} | {longest:.1f} |")
    print(f"\nfsync of 4 KiB on this disk: {probe:.2f} ms")


if __name__ == "__main__":
    main()
