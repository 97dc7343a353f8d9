"""A pharmacy chain of about so many prescriptions in 52 weeks, and the model that reads it."""

from __future__ import annotations

import shutil
from datetime import datetime, timedelta
from pathlib import Path

import duckdb
import yaml

from pipelines.adapters.objects.local import LocalStore
from pipelines.core.files import working_folder
from pipelines.core.time import Window
from pipelines.data.canonical import quoted
from pipelines.data.ingest.partitions import write_partitions
from pipelines.data.paths import files_sql
from pipelines.simulation.scale import BENCHMARK, Scale
from pipelines.simulation.world import KNOWN_COLUMNS, World
from pipelines.simulation.writing import write_world

PROJECT = Path(__file__).parents[2]
HOME = PROJECT / ".gauntlet" / "benchmarks"
DAYS = 364
SEED = 7
FULL = 10_000_000
DAYS_AT_ONCE = 7
TRAIN_DAYS = 252  # with gap, recent window and sixty days of lead, nearly every event counts
AS_OF: datetime = BENCHMARK.start + timedelta(days=DAYS)


def scale(rows: int) -> Scale:
    """A chain that sells so much in its first 52 weeks: more rows are more pharmacies."""
    part = rows / FULL
    return BENCHMARK.model_copy(
        update={
            "name": f"benchmark_{rows}",
            "pharmacies": max(2, round(BENCHMARK.pharmacies * part)),
            "prescriptions_per_day": BENCHMARK.prescriptions_per_day * part,
        }
    )


def store(rows: int) -> Path:
    """The folder with the chain's events; written once and kept.

    Beyond ten million prescriptions they are those of several such chains: the same events, of
    pharmacies with other names.
    """
    folder = HOME / f"world-{rows}"
    finished = folder / ".finished"
    if not finished.exists():
        if rows > FULL:
            _repeat(store(FULL), round(rows / FULL), folder)
        else:
            size = scale(rows)
            write_world(World(size, SEED), LocalStore(folder), Window(size.start, AS_OF))
        finished.touch()
    return folder


def _repeat(source: Path, times: int, folder: Path) -> None:
    """Write every event of a store several times, each time with pharmacies and ids of its own."""
    with duckdb.connect() as connection, working_folder("gauntlet-repeat-") as work:
        connection.execute("SET TimeZone = 'UTC'")
        connection.execute(f"SET temp_directory = '{work / 'spill'}'")
        connection.execute("SET memory_limit = '3GB'")
        for stream, named in (
            ("dispensing", ("pharmacy", "dispensing_id")),
            ("stock", ("pharmacy",)),
        ):
            known = f"make_timestamp(epoch_us({quoted(KNOWN_COLUMNS[stream])}))::DATE"
            names = ", ".join(
                f"{quoted(one)} || '-' || chain_number AS {quoted(one)}" for one in named
            )
            days = sorted((source / stream).glob("dt=*"))
            for first in range(0, len(days), DAYS_AT_ONCE):
                week = days[first : first + DAYS_AT_ONCE]
                files = [file for day in week for file in day.glob("*.parquet")]
                connection.execute(
                    f"CREATE OR REPLACE VIEW repeated AS SELECT * EXCLUDE (chain_number) "
                    f"REPLACE ({names}) "
                    f"FROM {files_sql(files)}, range({times}) AS numbers(chain_number)"
                )
                for _ in write_partitions(
                    connection,
                    "repeated",
                    known,
                    store=LocalStore(folder),
                    stream_path=stream,
                    folder=work,
                ):
                    pass


def declare(folder: Path, *, replayed_weeks: int | None = None, seeds: int | None = None) -> None:
    """The example model in ``folder``, trained on 36 weeks so that it uses the whole year.

    Features are fresh and the recent window promotes: by hand there is neither store nor traffic.

    Arguments:
        folder: gets ``models`` and ``expectations``.
        replayed_weeks: past weeks that a first version is replayed in; ``None``: as by default.
        seeds: how many of the declared seeds are used; ``None``: all.
    """
    for name in ("models", "expectations"):
        (folder / name).mkdir(parents=True, exist_ok=True)
    shutil.copy(PROJECT / "expectations" / "demand.json", folder / "expectations")
    declared = yaml.safe_load((PROJECT / "models" / "demand.yaml").read_text(encoding="utf-8"))
    declared["split"]["train"] = f"{TRAIN_DAYS}d"
    del declared["serving"], declared["rollout"]
    if replayed_weeks is not None:
        declared["gates"] = {"first_version": {"weeks": replayed_weeks}}
    declared["seeds"] = declared["seeds"][:seeds]
    text = yaml.safe_dump(declared, sort_keys=False)
    (folder / "models" / "demand.yaml").write_text(text, encoding="utf-8")
