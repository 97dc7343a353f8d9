"""How many appends a second the prediction journal makes durable, and what a caller waits.

    python benchmarks/journal.py                       into RESULTS.md
    python benchmarks/journal.py --folder /var/lib     on the disk that is to hold the journal

Each append is one prediction with twelve features and returns when it is on the disk. Workers are
processes of their own on one file. Ours as a whole is one thread of one process, which waits for
each append. Theirs is the least that the disk allows: as many pages of 4 KiB written over in a
file, each with an fsync. With ``--ship``, a process ships to a folder all the time.
"""

from __future__ import annotations

import multiprocessing
import os
import tempfile
import threading
from datetime import UTC, datetime
from pathlib import Path
from time import perf_counter, sleep
from typing import Any

from parts.convention import Benchmark
from parts.measuring import Meter, Step, side_by_side

from pipelines.adapters.objects.local import LocalStore
from pipelines.core.time import FixedClock
from pipelines.predictions.journal import Journal
from pipelines.predictions.record import Prediction
from pipelines.predictions.shipping import ship
from pipelines.spec.predictions import Arm

NOW = datetime(2026, 1, 5, 12, tzinfo=UTC)
CALLERS = ((1, 1), (1, 8), (1, 32), (2, 8), (4, 8))  # processes, and threads of each
BENCHMARK = Benchmark(
    name="journal",
    rows=5_000,
    unit="appends of all callers together",
    limited_by=(
        "The disk: a commit waits until the write-ahead log, a file that grows, is on it. Callers "
        "that wait together share a commit, so 32 threads make about 20 times as many appends "
        "durable as one."
    ),
)


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


def work(path: Path, worker: int, threads: int, rows: int, answer: Any) -> None:
    """One worker: threads that append one after the other; answers with what each wait took."""
    waits: list[float] = []
    meter, step = Meter(), "append"

    def append(thread: int) -> None:
        for number in range(thread, rows, threads):
            one = [prediction(number, worker)]
            begun = perf_counter()
            journal.append(one)
            waits.append(perf_counter() - begun)

    with Journal(path) as journal, meter.step(step):
        running = [threading.Thread(target=append, args=(n,)) for n in range(threads)]
        for thread in running:
            thread.start()
        for thread in running:
            thread.join()
    answer.put((waits, meter.steps[step]))


def ship_on(path: Path, store: Path) -> None:
    """Ship five times a second until killed."""
    with Journal(path) as journal:
        while True:
            ship(journal, LocalStore(store), "demand", FixedClock(NOW))
            sleep(0.2)


def fsyncs(path: Path, rows: int, answer: Any) -> None:
    """What the disk takes alone; answers like a worker."""
    waits: list[float] = []
    meter, step = Meter(), "fsync"
    with path.open("wb", buffering=0) as file, meter.step(step):
        for _ in range(rows):
            begun = perf_counter()
            os.pwrite(file.fileno(), b"x" * 4096, 0)
            os.fsync(file.fileno())
            waits.append(perf_counter() - begun)
    answer.put((waits, meter.steps[step]))


def together(context: Any, tasks: list[tuple[Any, ...]]) -> tuple[list[float], list[Step]]:
    """Run functions in processes of their own; all waits in order of length, and their steps."""
    answers = context.Queue()
    running = [context.Process(target=task, args=(*rest, answers)) for task, *rest in tasks]
    for one in running:
        one.start()
    waits, steps = zip(*(answers.get() for _ in running), strict=True)
    for one in running:
        one.join()
    return sorted(wait for each in waits for wait in each), list(steps)


def line(name: str, waits: list[float], seconds: float) -> str:
    """One line of the table."""
    p50, p99 = (waits[int(len(waits) * q)] * 1e3 for q in (0.5, 0.99))
    rate, longest = len(waits) / seconds, waits[-1] * 1e3
    return f"| {name} | {rate:,.0f} | {p50:.2f} | {p99:.2f} | {longest:.1f} |"


def main() -> None:
    """Measure; the last line is the JSON object."""
    parser = BENCHMARK.parser(__doc__)
    parser.add_argument("--folder", type=Path, default=None, help="default: for temporary files")
    parser.add_argument("--ship", action="store_true")
    given = parser.parse_args()
    context = multiprocessing.get_context("spawn")
    load, compared = os.getloadavg()[0], dict[str, float]()
    lines = ["| callers | appends/s | p50 ms | p99 ms | longest ms |", "|---|---:|---:|---:|---:|"]
    for workers, threads in CALLERS:
        with tempfile.TemporaryDirectory(dir=given.folder) as name:
            folder = Path(name)
            path, each = folder / "journal.db", -(-given.rows // workers)
            shipping = context.Process(target=ship_on, args=(path, folder / "store"), daemon=True)
            if given.ship:
                shipping.start()
            tasks = [(work, path, n, threads, each) for n in range(workers)]
            waits, steps = together(context, tasks)
            if given.ship:
                shipping.kill()
                shipping.join()
            if not compared:
                alone, [disk] = together(context, [(fsyncs, folder / "alone", given.rows)])
                compared = side_by_side(steps[0], disk)
                lines.append(line("fsync of a page alone", alone, disk.wall_s))
        title = f"{workers} x {threads} threads"
        lines.append(line(title, waits, max(step.wall_s for step in steps)))
    lines += ["", f"{given.rows:,} appends a line; {load:.1f} processes wanted a core before."]
    usual = given.rows == BENCHMARK.rows and given.folder is None and not given.ship
    section = "journal of predictions" if usual else ""
    BENCHMARK.conclude(given, compared, "\n".join(lines), section)


if __name__ == "__main__":
    main()
