"""A batch is a service that is asked about everybody at once, at an instant of its own.

Nothing is decided here that ``serving.service`` does not decide: arms, shadow, fallback and what is
logged are the same because they are the same code.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any

from pipelines.core.records import digest_of
from pipelines.core.time import FixedClock, instant_text
from pipelines.features.online.store import OnlineStore
from pipelines.predictions.record import Prediction
from pipelines.serving.service import Deployed, ModelService
from pipelines.spec.predictions import Arm


def score_entities(
    deployed: Deployed,
    store: OnlineStore,
    entities: Sequence[Mapping[str, Any]],
    at: datetime,
) -> list[Prediction]:
    """Predictions for entities as of an instant, those of the shadow among them.

    Arguments:
        deployed: who answers.
        store: the views of its versions, as they could be read at ``at``.
        entities: their keys.
        at: of the decisions.

    Raises:
        GauntletError: when the champion cannot answer for one of them.
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
    for entity in entities:
        service.answer([entity], request_id(model, at, entity))
    return made


def request_id(model: str, at: datetime, entity: Mapping[str, Any]) -> str:
    """The id of a batch's request: the same for the same model, instant and entity."""
    asked = {"model": model, "at": instant_text(at), "entity": dict(entity)}
    return digest_of(asked)[:32]


def _run_now(work: Callable[[], None]) -> bool:
    work()
    return True


class NoMetrics:
    """Nobody counts: all that a watcher would be told is in the log."""

    def answered(self, model: str, version: str, arm: Arm, latency_s: float, rows: int) -> None:
        """See ``service.Metrics``."""

    def failed(self, model: str, version: str, arm: Arm, cause: Exception) -> None:
        """See ``service.Metrics``."""

    def skipped_shadow(self, model: str) -> None:
        """See ``service.Metrics``."""
