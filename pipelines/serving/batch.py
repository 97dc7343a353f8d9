"""Batch scoring: predictions for many entities as of one instant.

It runs ``serving.service.ModelService``, so arms, shadow, fallback and logging work as they do
online.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any

from pipelines.core.records import digest_of
from pipelines.core.time import FixedClock, instant_text
from pipelines.features.online.store import OnlineStore
from pipelines.predictions.entity import entity_json
from pipelines.predictions.record import Prediction
from pipelines.serving.service import Deployed, ModelService
from pipelines.spec.predictions import Arm


def score_entities(
    deployed: Deployed,
    store: OnlineStore,
    entities: Sequence[Mapping[str, Any]],
    at: datetime,
) -> list[Prediction]:
    """Score entities as of one instant.

    Arguments:
        deployed: the plan and its loaded versions.
        store: the feature views of these versions, as they were readable at ``at``.
        entities: the keys of each entity.
        at: decision time of all predictions.

    Returns:
        The predictions, shadow predictions included.

    Raises:
        GauntletError: when the champion cannot answer for one of the entities.
    """
    model, made = deployed.plan.model, list[Prediction]()
    service = ModelService(
        model,
        store=store,
        record=made.extend,
        clock=FixedClock(at),
        metrics=NoMetrics(),
        run_later=_run_now,
    )
    service.deployed = deployed
    for entity in map(entity_json, entities):
        service.answer([entity], request_id(model, at, entity))
    return made


def request_id(model: str, at: datetime, entity: Mapping[str, Any]) -> str:
    """A request id for batch scoring, determined by model, instant and entity."""
    identity = {"model": model, "at": instant_text(at), "entity": dict(entity)}
    return digest_of(identity)[:32]


def _run_now(work: Callable[[], None]) -> bool:
    work()
    return True


class NoMetrics:
    """Metrics that count nothing; the prediction log holds the same information."""

    def answered(self, model: str, version: str, arm: Arm, latency_s: float, rows: int) -> None:
        """See ``service.Metrics``."""

    def failed(self, model: str, version: str, arm: Arm, cause: Exception) -> None:
        """See ``service.Metrics``."""

    def skipped_shadow(self, model: str) -> None:
        """See ``service.Metrics``."""
