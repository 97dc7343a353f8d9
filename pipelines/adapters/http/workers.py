"""The worker processes of the service, as uvicorn runs them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from uvicorn import Config
from uvicorn.config import STARTUP_FAILURE

from pipelines.adapters.http.connection_limits import LimitedHttp
from pipelines.adapters.http.failures import LOGGING
from pipelines.adapters.http.lifetime import end_with_parent

if TYPE_CHECKING:
    from uvicorn.supervisors import Multiprocess

KEEP_ALIVE_S = 75  # longer than the 60 s that proxies keep an idle connection for
DRAIN_S = 30  # for requests under way at the end; later ones are cut off
UNWELL_S = 30  # a worker that is silent for so long is replaced; a busy machine is not a dead one


class WorkerConfig(Config):
    """uvicorn's configuration, which every worker process unpickles before it does anything."""

    def __setstate__(self, state: dict[str, Any]) -> None:
        end_with_parent()
        self.__dict__.update(state)


def worker_config(application: str, workers: int) -> WorkerConfig:
    """The configuration of the workers.

    Arguments:
        application: ``module:function`` that creates the application in each worker.
        workers: number of processes.
    """
    return WorkerConfig(
        application,
        factory=True,
        workers=workers,
        http=LimitedHttp,
        ws="none",
        proxy_headers=False,
        log_config=LOGGING,
        log_level="warning",
        access_log=False,
        timeout_keep_alive=KEEP_ALIVE_S,
        timeout_graceful_shutdown=DRAIN_S,
        timeout_worker_healthcheck=UNWELL_S,
    )


def could_not_start(supervisor: Multiprocess) -> bool:
    """Whether a worker failed before it answered, so that each new one would."""
    return any(worker.exitcode == STARTUP_FAILURE for worker in supervisor.processes)
