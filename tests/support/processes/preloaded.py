"""Importing this imports what commands and servers import late; for a process that is forked."""

from __future__ import annotations

import contextlib
import gc
import importlib
import pkgutil
import warnings

from pipelines.adapters.third_party import settle_libraries

_LATE = (
    *("mlflow.sklearn", "mlflow.pyfunc", "mlflow.cli", "mlflow.server.fastapi_app"),
    *("matplotlib.figure", "pandas", "tests.support.kills.dying"),
)


def _import_everything() -> None:
    import pipelines

    importlib.import_module("skops.io")  # looks into all loaded modules, so it is the first
    for found in pkgutil.walk_packages(pipelines.__path__, "pipelines."):
        with contextlib.suppress(ImportError):
            importlib.import_module(found.name)
    with warnings.catch_warnings(action="ignore"):  # by MLflow, of libraries that it uses
        for name in _LATE:
            importlib.import_module(name)


settle_libraries()
_import_everything()
gc.freeze()  # a child leaves these objects alone, so that they stay in shared memory
