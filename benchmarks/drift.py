"""Drift between two samples of 20 columns; Evidently's data drift preset on the same files.

python benchmarks/drift.py [--rows 1000000] [--json]

Both sides read two Parquet files of so many rows. Ours also makes the stored profile of the first,
by week; a monitoring run reads that profile only. Evidently runs in an environment of its own, made
here with uv; without uv or Evidently the script says so and ends.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import shutil
import subprocess
import sys
import tempfile
from functools import reduce
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
from parts.convention import Benchmark
from parts.measuring import Meter, Step, run_side, side_by_side

from pipelines.drift.bins import NumberBins, TextBins, make_bins
from pipelines.drift.calibration import column_drift
from pipelines.drift.profile import Profile, empty_profile, merge_profiles, profile_like
from pipelines.drift.univariate import column_distance

HERE = Path(__file__).resolve().parent
EVIDENTLY = ["evidently==0.7.23", "pandas<3", "pyarrow"]
STEP = "drift of 20 columns"
BENCHMARK = Benchmark(
    name="drift",
    rows=1_000_000,
    unit="rows of each file",
    limited_by=(
        "Counting rows into bins takes two thirds, a third of it the binary search for each "
        "value's bin; reading the files and sorting a column for its bins take the rest. Memory "
        "is one column of numbers."
    ),
)
NUMBERS, TEXTS = 16, 4
WEEKS = 52
BLOCK = 1_000_000
BATCH = 100_000  # rows that are counted at once
NOTES = [
    "Two files of so many rows, read by both: 16 columns of numbers (Wasserstein distance in",
    "standard deviations) and 4 of texts (Jensen-Shannon distance), the defaults of Evidently",
    "0.7.23. Distances differ by at most 0.01. Ours also makes the profile of the first file by",
    "week and the calibrated thresholds of the second.",
]


def write_input(folder: Path, rows: int) -> None:
    """Two samples; half of the columns have moved a little in the second."""
    rng = np.random.default_rng(1)
    for name, first_week, weeks, moved in (
        ("reference", 0, WEEKS, 0.0),
        ("current", WEEKS, 4, 0.2),
    ):
        writer: pq.ParquetWriter | None = None
        start = pd.Timestamp("2024-01-01") + pd.Timedelta(weeks=first_week)
        for begin in range(0, rows, BLOCK):
            count = min(BLOCK, rows - begin)
            days = rng.integers(0, 7 * weeks, count)
            columns: dict[str, Any] = {"decision_time": start + pd.to_timedelta(days, unit="D")}
            for at in range(NUMBERS):
                shift = moved * (at % 2)
                noise = rng.normal(shift, 1, count)
                columns[f"number_{at:02}"] = np.exp(noise / 2) if at % 4 > 1 else noise
            for at in range(TEXTS):
                chance = np.ones(20) + 0.5 * moved * (at % 2) * np.arange(20)
                codes = rng.choice(20, count, p=chance / chance.sum())
                texts = pa.array([f"text {code}" for code in range(20)])
                columns[f"text_{at}"] = pa.DictionaryArray.from_arrays(codes, texts).cast("string")
            table = pa.table(columns)
            writer = writer or pq.ParquetWriter(folder / f"{name}.parquet", table.schema)
            writer.write_table(table)
        if writer is not None:
            writer.close()


def ours(folder: Path) -> dict[str, Any]:
    """One column after the other: profile, distance and calibrated threshold."""
    pa.set_cpu_count(1)
    meter, answer = Meter(), dict[str, float]()
    with meter.step(STEP):
        for name in pq.read_schema(folder / "reference.parquet").names[1:]:
            reference = _profile(
                empty_profile({name: _bins(folder, name)}), folder, "reference", name
            )
            current = _profile(reference, folder, "current", name)
            column_drift(reference, current)
            own, total = reference.columns[name].bins, reference.columns[name].total
            distance = column_distance("wasserstein", own, total)
            answer[name] = float(distance.between(total, current.columns[name].total))
            pa.default_memory_pool().release_unused()
    return {"answer": answer, **meter.as_json()}


def _profile(reference: Profile, folder: Path, sample: str, name: str) -> Profile:
    """The profile of a file in the bins of a reference, a stretch of rows at a time."""
    batches = _open(folder, sample, name).iter_batches(
        BATCH, columns=["decision_time", name], use_threads=False
    )
    parts = (profile_like(reference, batch.to_pandas(use_threads=False)) for batch in batches)
    return reduce(merge_profiles, parts)


def _bins(folder: Path, name: str) -> NumberBins | TextBins:
    """The bins of a column, from all rows of the first file."""
    file = _open(folder, "reference", name)
    if name in _texts(name):
        column = file.read([name], use_threads=False).to_pandas(use_threads=False)[name]
        return make_bins(column, categorical=False)
    numbers, filled = np.empty(file.metadata.num_rows), 0
    for batch in file.iter_batches(BATCH, columns=[name], use_threads=False):
        numbers[filled : filled + len(batch)] = batch[name]
        filled += len(batch)
    return make_bins(pd.Series(numbers, copy=False), categorical=False)


def _open(folder: Path, sample: str, name: str) -> pq.ParquetFile:
    """A file of which one column is read. One thread reads: each more keeps memory of its own."""
    return pq.ParquetFile(folder / f"{sample}.parquet", read_dictionary=_texts(name))


def _texts(name: str) -> list[str]:
    return [name] if name.startswith("text") else []


def theirs(python: Path, folder: Path) -> dict[str, Any]:
    """Evidently, in its environment."""
    out = folder / "theirs.json"
    script = HERE / "parts" / "with_evidently.py"
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONWARNINGS": "ignore"}
    done = subprocess.run(
        [str(python), str(script), str(folder), str(out)],
        env=environment, capture_output=True, text=True, check=False,
    )  # fmt: skip
    if done.returncode:
        raise SystemExit(f"Evidently ended with code {done.returncode}:\n{done.stderr[-4000:]}")
    found: dict[str, Any] = json.loads(out.read_text(encoding="utf-8"))
    return found


def evidently_environment(folder: Path) -> Path:
    """The Python of a fresh environment with Evidently."""
    uv = shutil.which("uv", path=str(Path(sys.executable).parent)) or shutil.which("uv")
    if uv is None:
        raise SystemExit("skipped: uv is not installed, and Evidently needs its own environment")
    python = folder / "bin" / "python"
    for words in (
        ["venv", "--quiet", "--python", sys.executable, str(folder)],
        ["pip", "install", "--quiet", "--python", str(python), *EVIDENTLY],
    ):
        done = subprocess.run([uv, *words], capture_output=True, text=True, check=False)
        if done.returncode:
            raise SystemExit(f"skipped: Evidently cannot be installed: {done.stderr[-300:]}")
    return python


def check(one: dict[str, float], two: dict[str, float]) -> None:
    """Both sides have to have measured the same distances; Evidently's texts are in nats."""
    for name, found in one.items():
        wanted = two[name] / (math.sqrt(math.log(2)) if name.startswith("text") else 1)
        if abs(found - wanted) > 0.01:
            raise SystemExit(f"{name}: ours {found:.4f}, theirs {wanted:.4f}; nothing is compared")


def measure(rows: int) -> dict[str, Any]:
    """Both sides on the same files."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        python = evidently_environment(folder / "evidently")
        write_input(folder, rows)
        one = run_side(Path(__file__), "ours", "--folder", name)
        two = theirs(python, folder)
    check(one["answer"], two["answer"])
    compared = side_by_side(Step(**one["steps"][STEP]), Step(**two["steps"][STEP]))
    return {
        **compared,
        "steps": [{"step": STEP} | compared],
        "repetitions": [1, 1],
        "notes": NOTES,
    }


def main() -> None:
    """Measure and print; the last line is the JSON object."""
    parser = BENCHMARK.parser(__doc__, sides=("ours",))
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.side:
        arguments.out.write_text(json.dumps(ours(arguments.folder)), encoding="utf-8")
        return
    answer = measure(arguments.rows)
    BENCHMARK.conclude(arguments, answer, "\n".join([*NOTES, str(answer["steps"][0])]))


if __name__ == "__main__":
    main()
