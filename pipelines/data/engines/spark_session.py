"""This process's session of Spark."""

from __future__ import annotations

import atexit
import os
import sys
from functools import cache
from pathlib import Path
from typing import Any

from pipelines.core.errors import Unavailable

FOLDER = "spark.gauntlet.folder"  # a setting of the session: see ``SparkEngine``

# Files of the cache have times in UTC without a zone. Spark's functions of time want instants, so
# they are read as such, in a session whose zone is UTC.
_OPTIONS = {
    "spark.sql.session.timeZone": "UTC",
    "spark.sql.ansi.enabled": "true",
    "spark.sql.execution.arrow.pyspark.enabled": "true",
    "spark.sql.parquet.inferTimestampNTZ.enabled": "false",
    "spark.sql.parquet.outputTimestampType": "TIMESTAMP_MICROS",
}
_ON_A_MASTER = {"spark.ui.showConsoleProgress": "false"}
_ON_THIS_MACHINE = {
    "spark.driver.host": "127.0.0.1",
    "spark.driver.bindAddress": "127.0.0.1",
}


@cache
def session_at(address: str, folder: Path) -> Any:
    """The session at a master, or at a ``sc://`` address of Spark Connect; one for a process.

    Arguments:
        address: of the master or of Spark Connect.
        folder: that driver and executors share.

    Raises:
        Unavailable: when Spark does not answer.
    """
    from pyspark.errors import PySparkException
    from pyspark.sql import SparkSession

    remote, options = address.startswith("sc://"), dict(_OPTIONS)
    if not remote:
        options |= _ON_A_MASTER
    if address.startswith("local"):
        options |= _ON_THIS_MACHINE
        os.environ.setdefault("PYSPARK_PYTHON", sys.executable)  # no option works in a session
    builder = SparkSession.builder
    builder = builder.remote(address) if remote else builder.master(address)
    for name, value in options.items():
        builder = builder.config(name, value)
    try:
        session = builder.getOrCreate()
        session.conf.set(FOLDER, os.fspath(folder.absolute()))
    except (PySparkException, OSError, RuntimeError) as cause:
        raise Unavailable(
            "Spark does not answer",
            where="GAUNTLET_ENGINE",
            got=(str(cause).splitlines() or [repr(cause)])[0],
            wanted=f"Spark at {address}",
            hint="start it, mend the address, or unset GAUNTLET_ENGINE to use DuckDB",
        ) from cause
    if not remote:
        session.sparkContext.setLogLevel("ERROR")
        atexit.register(session.stop)  # first: the end of its JVM ends the executors
    return session
