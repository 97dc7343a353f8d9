"""This process's session of Spark."""

from __future__ import annotations

import atexit
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import cache
from pathlib import Path
from typing import Any

from pipelines.core.errors import Unavailable
from pipelines.core.patience import ANSWER_S

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
    from py4j.protocol import Py4JError
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
        if remote:
            session.client.set_retry_policies([_brief_retries()])
        session.conf.set(FOLDER, os.fspath(folder.absolute()))
    except (PySparkException, Py4JError, OSError, RuntimeError) as cause:
        raise Unavailable(
            "Spark does not answer",
            where="GAUNTLET_ENGINE",
            got=_in_a_line(cause),
            wanted=f"Spark at {address}" + ("" if remote else ", and Java 17 on this machine"),
            hint="start it, mend the address, or unset GAUNTLET_ENGINE to use DuckDB",
        ) from cause
    if not remote:
        session.sparkContext.setLogLevel("ERROR")
    atexit.register(_stop, session)  # first: the end of its JVM ends the executors
    return session


def kept_rows(frame: Any) -> Any:
    """A frame whose rows the executors keep until this process ends.

    A server of Spark Connect would keep them for as long as it runs.
    """
    if _is_remote():
        atexit.register(_release, frame)
    return frame.persist()


def _release(frame: Any) -> None:
    from pyspark.errors import PySparkException

    if not frame.sparkSession.is_stopped:
        with suppress(PySparkException):  # the server has ended, and its executors with it
            frame.unpersist()


def _brief_retries() -> Any:
    """How long a server of Spark Connect may be away; Spark's own default is ten minutes."""
    from pyspark.sql.connect.client.retries import DefaultPolicy

    longest_ms = int(ANSWER_S * 1000 * 2 / 3)
    return DefaultPolicy(max_retries=5, max_backoff=longest_ms)  # 4.3 s, and the longest


@contextmanager
def loss_as_error(session: Any) -> Iterator[None]:
    """Turn the errors of a session that was lost into an ``Unavailable`` error.

    Raises:
        Unavailable: when the block failed and the session has ended.
    """
    try:
        yield
    except Exception as cause:
        if not _is_lost(session, cause):
            raise
        if _is_remote():
            session.client.close()  # the next call fails at once and does not wait for the server
        raise Unavailable(
            "the session of Spark was lost",
            where="GAUNTLET_ENGINE",
            got=_in_a_line(cause),
            hint="look into the log of Spark, then run again in a new process",
        ) from cause


def _is_remote() -> bool:
    """Whether this process's session is one of Spark Connect."""
    from pyspark.sql.utils import is_remote

    return bool(is_remote())


def _is_lost(session: Any, cause: Exception) -> bool:
    from py4j.protocol import Py4JError

    if _is_remote():
        return session.is_stopped or _session_is_gone(cause)
    try:
        return bool(session.sparkContext._jsc.sc().isStopped())
    except (Py4JError, OSError):  # its JVM has ended
        return True


def _session_is_gone(cause: BaseException | None) -> bool:
    """Whether a server of Spark Connect did not answer in all attempts, or has ended the session.

    It ends one that was not used for an hour, and a server that was started again knows none.
    """
    from pyspark.errors import PySparkException
    from pyspark.errors.exceptions.base import RetriesExceeded

    while cause is not None:
        if isinstance(cause, RetriesExceeded):
            return True
        known = (cause.getCondition() or "") if isinstance(cause, PySparkException) else ""
        if known.startswith("INVALID_HANDLE.SESSION"):
            return True
        cause = cause.__cause__ or cause.__context__
    return False


def _stop(session: Any) -> None:
    from py4j.protocol import Py4JError

    if _is_remote() and session.is_stopped:
        return
    with suppress(Py4JError, OSError):  # its JVM has ended already
        session.stop()


def _in_a_line(cause: Exception) -> str:
    """The first line of an error, or the error in Java that it stands for."""
    lines = str(cause).splitlines() or [repr(cause)]
    return next((line[2:] for line in lines if line.startswith(": ")), lines[0])
