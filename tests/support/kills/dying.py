"""Flows that kill their own process at a named place. Nothing of the product is changed for it."""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path
from typing import Any

from pipelines.adapters.registry.folder import FolderRegistry
from pipelines.adapters.registry.mlflow import MlflowRegistry
from pipelines.core.errors import StaleEvidenceError
from pipelines.flows.retrain.request import Request, Step
from pipelines.flows.retrain.steps import run_step
from pipelines.release.registry import Registration
from pipelines.wiring import connect
from tests.support.pharmacy import SECOND, Pharmacy
from tests.support.promotion_home import Home, inputs


def die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


class Mortal:
    """Passes every call on, and dies before or after one of them.

    Arguments:
        place: ``<method> before`` or ``<method> after``.
    """

    def __init__(self, inner: Any, place: str) -> None:
        self.inner, (self.method, _, self.when) = inner, place.partition(" ")

    def __getattr__(self, name: str) -> Any:
        call = getattr(self.inner, name)
        if name != self.method:
            return call

        def dying(*arguments: Any, **named: Any) -> None:
            if self.when == "after":
                call(*arguments, **named)
            die()

        return dying


def retrain(pharmacy: Pharmacy, place: str) -> int:
    """Retrain until a place: a call of ledger or registry, or ``rename <pattern of the target>``.

    Python's audit hooks report renames. No place is ever at "".

    Returns: 0 if the candidate was promoted, else 1.
    """
    ledger = pharmacy.parts().ledger
    die_at_rename(place)
    parts = pharmacy.parts(registry=Mortal(pharmacy.registry, place), ledger=Mortal(ledger, place))
    return 0 if pharmacy.retrain(SECOND, parts=parts).outcome == "promote" else 1


def die_at_rename(place: str) -> None:
    """Die before the first rename whose target matches; other places are ignored."""
    if not place.startswith("rename "):
        return
    name = place.removeprefix("rename ")

    def hook(event: str, arguments: Any) -> None:
        if event == "os.rename" and Path(os.fsdecode(arguments[1])).match(name):
            die()

    sys.addaudithook(hook)


def retrain_step(step: Step, request: Request, place: str) -> int:
    """One step of a retraining with the settings of the environment, until a rename.

    Returns: 0 if the step has ended.
    """
    die_at_rename(place)
    return 0 if run_step(step, request, connect().retraining).step == step else 1


def promote(folder: Path, run: str, candidate: str, champion: str | None, place: str) -> int:
    """Promote until a call of ledger or registry.

    Returns: 0 if the candidate was promoted, or the exit code of an error.
    """
    home = Home(folder)
    home.ledger = Mortal(home.ledger, place)  # type: ignore[assignment]
    home.registry = Mortal(home.registry, place)  # type: ignore[assignment]
    try:
        return 0 if home.promote(inputs(run, candidate, champion)).outcome == "promote" else 1
    except StaleEvidenceError as error:
        return error.exit_code


def register(place: str | Path, folder: Path, registration: Registration, point: str) -> None:
    """Register until a call of MLflow's client, or until ``rename before``.

    Arguments:
        place: address of MLflow, or folder of a registry.
        folder: the version's files.
    """
    import mlflow

    name, _, when = point.partition(" ")
    registry = FolderRegistry(place) if isinstance(place, Path) else MlflowRegistry(place)
    owner: Any = Path if isinstance(place, Path) else mlflow.MlflowClient
    call = getattr(owner, name)

    def dying(*arguments: Any, **named: Any) -> None:
        if when == "after":
            call(*arguments, **named)
        die()

    setattr(owner, name, dying)
    registry.register(registration, folder)
