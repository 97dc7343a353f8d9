"""Settings of third-party libraries, made before they are imported."""

from __future__ import annotations

import gc
import logging
import os
import warnings

from pipelines.core.patience import attempt_s

_COLLECT_AFTER = (50_000, 20, 50)  # objects, and rounds of the younger generations


def settle_libraries() -> None:
    """Configure third-party libraries: no telemetry, quiet loggers, one thread in OpenMP.

    Call it before they are imported, because some read the environment on import. Variables that
    are already set keep their values.

    The garbage collector runs less often. Ibis and SQLGlot make a million small objects for one
    query; with Python's default thresholds, a third of the time to write it went to the collector.
    """
    gc.set_threshold(*_COLLECT_AFTER)
    defaults = {
        "MLFLOW_DISABLE_TELEMETRY": "true",
        "MLFLOW_LOGGING_LEVEL": "WARNING",  # importing MLflow resets the level of its logger
        "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "1",  # at once, because its first pause is of 0 s
        "MLFLOW_HTTP_REQUEST_TIMEOUT": str(int(attempt_s(2))),
        "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",  # stdout is for results
        "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
        "GX_ANALYTICS_ENABLED": "false",
        "OMP_NUM_THREADS": "1",  # with few cores, OpenMP threads wait for each other
    }
    for name, value in defaults.items():
        os.environ.setdefault(name, value)
    for name in ("great_expectations", "mlflow", "alembic", "botocore", "httpx"):
        logging.getLogger(name).setLevel(logging.WARNING)
    # skops looks up names in every loaded module, and Airflow's old modules warn of each of them.
    warnings.filterwarnings("ignore", category=FutureWarning, module=r"skops\.io\._utils")
