"""A connection to MLflow: its client, and what the client's errors mean.

This module loads MLflow, which takes seconds. ``MlflowRegistry`` imports it on first use.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from http import HTTPStatus
from typing import ParamSpec, TypeVar

import mlflow
import requests
from botocore.exceptions import BotoCoreError
from mlflow import MlflowClient
from mlflow.environment_variables import MLFLOW_HTTP_REQUEST_TIMEOUT, MLFLOW_TRACKING_USERNAME
from mlflow.exceptions import MlflowException
from mlflow.utils.credentials import get_default_host_creds
from mlflow.utils.rest_utils import http_request, verify_rest_response
from sqlalchemy.exc import ArgumentError, DatabaseError, OperationalError

from pipelines.core.addresses import sqlite_path, sqlite_url
from pipelines.core.errors import GauntletError, IntegrityError, SpecError, Unavailable
from pipelines.core.files import atomic_file
from pipelines.core.patience import TRANSFER_S, attempt_s
from pipelines.core.retry import compare_and_swap

P = ParamSpec("P")
R = TypeVar("R")

_ABSENT, _THERE = "RESOURCE_DOES_NOT_EXIST", "RESOURCE_ALREADY_EXISTS"
_AWAY = {"INTERNAL_ERROR", "TEMPORARILY_UNAVAILABLE", "REQUEST_LIMIT_EXCEEDED", "IO_ERROR"}
_HINTS = {
    "UNAUTHENTICATED": "set MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD to a user",
    "PERMISSION_DENIED": "run the command as the user of the tasks, who may change models",
}
_ATTEMPTS = 20
# MLflow passes on what its database says: sqlite3.IntegrityError, UniqueViolation, ...
_OVERTAKEN = re.compile(r"IntegrityError|UniqueViolation|unique constraint", re.IGNORECASE)


class _OvertakenError(Exception):
    """Another writer inserted the same row first."""


@contextmanager
def connected(uri: str) -> Iterator[MlflowClient]:
    """A client of an MLflow server or database; its errors are translated.

    Also sets MLflow's process-wide addresses, because MLflow reads some of them from there.

    Raises:
        Unavailable: MLflow, its database or its artifact store does not answer.
        IntegrityError: the database is not one of MLflow's.
        GauntletError: MLflow refuses a request.
    """
    address = client_address(uri)
    try:
        _create_database(uri)
        check_answer(uri)
        mlflow.set_tracking_uri(address)
        mlflow.set_registry_uri(address)
        yield MlflowClient(tracking_uri=address, registry_uri=address)
    except MlflowException as cause:
        if error_code(cause) in _AWAY:
            raise _away(uri, cause) from cause
        if error_code(cause) in _HINTS:
            raise GauntletError(
                "MLflow refuses this account",
                where=uri,
                got=f"{error_code(cause)}, user {MLFLOW_TRACKING_USERNAME.get() or '(none)'}",
                wanted="a user who may do this",
                hint=_HINTS[error_code(cause)],
            ) from cause
        raise GauntletError(
            "MLflow refuses a request",
            where=uri,
            got=f"{error_code(cause)}: {first_line(cause)}",
            hint="look at the server's log; check that its version is 3.17",
        ) from cause
    except (requests.RequestException, BotoCoreError, OperationalError, ConnectionError) as cause:
        raise _away(uri, cause) from cause
    except (ArgumentError, ModuleNotFoundError) as cause:
        raise SpecError(
            "cannot use this address of MLflow",
            where=uri,
            got=first_line(cause),
            wanted="sqlite:///<file>, http://<server>, or a database whose driver is installed",
            hint="change GAUNTLET_MLFLOW_URI, or install the driver",
        ) from cause
    except DatabaseError as cause:
        raise IntegrityError(
            "MLflow's database cannot be read",
            where=uri,
            got=first_line(cause),
            wanted="a database that MLflow made, as sqlite:///<file>, or http://<its server>",
            hint="mend GAUNTLET_MLFLOW_URI, or restore the database from its backup",
        ) from cause


@cache
def check_answer(uri: str) -> None:
    """Check once in a process that a server answers a request that reads its database.

    The request is MLflow's own, with the credentials and certificates of its variables.

    Raises:
        MlflowException: it does not answer in time, or refuses the login.
    """
    if uri.startswith(("http://", "https://")):
        endpoint = "/api/2.0/mlflow/experiments/get-by-name"
        answer = http_request(
            get_default_host_creds(uri),
            endpoint,
            "GET",
            params={"experiment_name": "Default"},
            max_retries=0,
            raise_on_status=False,
            timeout=attempt_s(1),
        )
        if answer.status_code == HTTPStatus.UNAUTHORIZED:
            verify_rest_response(answer, endpoint)  # raises


@contextmanager
def transferring_files() -> Iterator[None]:
    """Wait longer for answers in the block: a server stores a file before it answers."""
    name = MLFLOW_HTTP_REQUEST_TIMEOUT.name
    before = os.environ.get(name)
    os.environ[name] = str(max(MLFLOW_HTTP_REQUEST_TIMEOUT.get(), int(TRANSFER_S)))
    try:
        yield
    finally:
        if before is None:
            del os.environ[name]
        else:
            os.environ[name] = before


def _create_database(uri: str) -> None:
    """Create a missing SQLite database under a draft name, and rename it when it is complete.

    MLflow creates it in dozens of migrations, and does not continue them after a kill.
    """
    path = sqlite_path(uri)
    if path is None or path.exists():
        return
    with atomic_file(path, if_absent=True) as draft:
        own = client_address(sqlite_url(draft))
        MlflowClient(tracking_uri=own, registry_uri=own).search_experiments(max_results=1)


def client_address(uri: str) -> str:
    """An address as MLflow needs it.

    MLflow takes the text behind ``sqlite:///`` for a path and makes its folder, but SQLAlchemy
    unquotes it: with the driver in the address, MLflow makes none.
    """
    return re.sub("^sqlite:///", "sqlite+pysqlite:///", uri)


def find(read: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R | None:
    """The result of a read; None when what it names does not exist."""
    try:
        return read(*args, **kwargs)
    except MlflowException as cause:
        if error_code(cause) != _ABSENT:
            raise
        return None


def create(make: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R | None:
    """The result of a creation; None when what it would create exists."""
    try:
        return write(make, *args, **kwargs)
    except MlflowException as cause:
        if error_code(cause) != _THERE:
            raise
        return None


def write(change: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
    """The result of a write, repeated when another writer inserts the same row at that moment.

    MLflow reads, then inserts or updates. When two writers insert at once, its database refuses
    one of them and leaves nothing of its write; repeated, it becomes an update.

    Raises:
        Unavailable: it was overtaken every time.
        MlflowException: refused for any other reason.
    """

    def attempt() -> R:
        try:
            return change(*args, **kwargs)
        except MlflowException as cause:
            if error_code(cause) == _THERE or not _OVERTAKEN.search(str(cause)):
                raise
            raise _OvertakenError(first_line(cause)) from cause

    return compare_and_swap(attempt, retry_on=_OvertakenError, attempts=_ATTEMPTS)


def is_outage(error: MlflowException) -> bool:
    """Whether MLflow, its database or its artifact store did not answer."""
    return error_code(error) in _AWAY


def error_code(error: MlflowException) -> str:
    """MLflow's name of a kind of error."""
    return str(error.error_code)


def first_line(error: Exception) -> str:
    """The first line of an error's text, at most 300 characters."""
    return next(iter(str(error).strip().splitlines()), type(error).__name__)[:300]


def _away(uri: str, cause: Exception) -> Unavailable:
    return Unavailable(
        "MLflow does not answer",
        where=uri,
        got=first_line(cause),
        wanted="an answer from the tracking server and its artifact store",
        hint="check that the server is up, then run again: it is safe to run again",
    )
