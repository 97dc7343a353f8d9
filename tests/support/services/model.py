"""A model in memory with made-up predictions; everything around it is real."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import numpy as np
import pytest

from pipelines.adapters.online.memory import MemoryOnline
from pipelines.core.arrays import Floats
from pipelines.core.time import FixedClock
from pipelines.features.online.store import OnlineRow, ViewState
from pipelines.packaging.fast_predict import Row
from pipelines.predictions.assignment import Allocation
from pipelines.predictions.record import Prediction
from pipelines.serving.loaded_version import LoadedVersion
from pipelines.serving.plan import PlannedVersion, ServingPlan
from pipelines.serving.service import Deployed, ModelService
from pipelines.spec.model import ModelSpec
from pipelines.spec.predictions import Arm
from pipelines.spec.views import definition_of, feature_views
from tests.support.pharmacy import declaration, sold
from tests.support.prediction_factory import NOON

HOUR = timedelta(hours=1)
SPEC = ModelSpec.model_validate(
    declaration(
        ({"kind": "attribute", "name": "medicine"}, sold(3)),
        serving={"every": "1h", "delay": "15m"},
    )
)


def constant_model(number: float) -> Callable[[Sequence[Row]], Floats]:
    return lambda rows: np.full(len(rows), number)


def version(number: str, predict: Callable[[Sequence[Row]], Floats]) -> LoadedVersion:
    return LoadedVersion(number, "0" * 64, SPEC, predict, is_compiled=False)


def serving_of(number: str) -> PlannedVersion:
    return PlannedVersion(version=number, content="0" * 64, folder="nowhere")


@dataclass
class RecordingMetrics:
    """Keeps the calls that a service makes."""

    answers: list[tuple[str, Arm, int]] = field(default_factory=list)
    failures: list[tuple[str, Arm]] = field(default_factory=list)
    skipped: int = 0

    def answered(self, model: str, version: str, arm: Arm, latency_s: float, rows: int) -> None:
        self.answers.append((version, arm, rows))

    def failed(self, model: str, version: str, arm: Arm, cause: Exception) -> None:
        self.failures.append((version, arm))

    def skipped_shadow(self, model: str) -> None:
        self.skipped += 1


@dataclass
class ServiceHarness:
    """A service, and what came of it."""

    service: ModelService
    logged: list[Prediction]
    recorded: RecordingMetrics
    waiting: list[Callable[[], None]]

    def deploy(
        self,
        champion: LoadedVersion,
        challenger: LoadedVersion | None = None,
        **allocation: Any,
    ) -> None:
        plan = ServingPlan(
            model="demand",
            champion=serving_of(champion.number),
            challenger=serving_of(challenger.number) if challenger else None,
            allocation=Allocation(salt="spring", **allocation),
        )
        self.service.deployed = Deployed(plan, champion, challenger)


def point(number: int) -> dict[str, str]:
    return {"pharmacy": f"p{number}", "medicine": "m"}


def filled_store() -> MemoryOnline:
    """``sold`` of the pharmacy of each number is that number, as of an hour before noon."""
    store = MemoryOnline()
    [view] = feature_views(SPEC)
    definitions = tuple(definition_of(SPEC, one) for one in view.features)
    state = ViewState(f"demand.{view.name}", NOON - HOUR, NOON, definitions)
    rows = [OnlineRow((f"p{n}", "m"), (float(n),), NOON - HOUR, NOON) for n in range(200)]
    store.write(state, rows, [], replaces=None)
    return store


@pytest.fixture
def harness() -> ServiceHarness:
    """No version is deployed yet; a test runs the waiting shadow work itself."""
    logged: list[Prediction] = []
    waiting: list[Callable[[], None]] = []

    def later(work: Callable[[], None]) -> bool:
        waiting.append(work)
        return len(waiting) <= 50

    recorded = RecordingMetrics()
    service = ModelService(
        "demand",
        store=filled_store(),
        record=logged.extend,
        clock=FixedClock(NOON),
        metrics=recorded,
        run_later=later,
    )
    return ServiceHarness(service, logged, recorded, waiting)
