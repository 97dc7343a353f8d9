"""Answers predict requests: assigns arms, looks up features, predicts and logs the predictions.

The versions in use are one immutable ``Deployed``, replaced by one assignment. Each request keeps
the ``Deployed`` that it started with, so a switch loses no request, and the previous version stays
loaded until no request uses it.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property
from typing import Any, NamedTuple, Protocol

from pipelines.core.errors import Unavailable
from pipelines.core.time import Clock
from pipelines.features.online.lookup import look_up
from pipelines.features.online.store import OnlineReader
from pipelines.predictions.assignment import arm_of, in_shadow
from pipelines.predictions.entity import entity_json
from pipelines.predictions.record import Prediction
from pipelines.predictions.segments import segment_of
from pipelines.serving.loaded_version import LoadedVersion
from pipelines.serving.plan import ServingPlan
from pipelines.serving.request import Point, checked_points
from pipelines.spec.fields import ColumnType
from pipelines.spec.model import ModelSpec
from pipelines.spec.predictions import Arm
from pipelines.spec.serving import AT_LOOKUP


@dataclass(frozen=True)
class Deployed:
    """A plan and the versions that it names, loaded."""

    plan: ServingPlan
    champion: LoadedVersion
    challenger: LoadedVersion | None = None
    segments: Mapping[str, LoadedVersion] = field(default_factory=dict)

    @property
    def versions(self) -> tuple[LoadedVersion, ...]:
        """Each version that answers, the champion first."""
        trial = [self.challenger] if self.challenger else []
        every = [self.champion, *self.segments.values(), *trial]
        return tuple({one.number: one for one in every}.values())

    @cached_property
    def other_columns(self) -> Mapping[str, ColumnType]:
        """The request columns of all versions but the champion; they are optional."""
        columns = (one.request_columns.items() for one in self.versions[1:])
        return {name: kind for each in columns for name, kind in each}

    @property
    def segment_column(self) -> str:
        """The key that the segments with a champion of their own are values of; "" without any."""
        return self.plan.segments.column if self.plan.segments else ""

    def champion_of(self, entity: Mapping[str, Any]) -> LoadedVersion:
        """The version that answers an entity outside of the challenger's arm."""
        if not self.segments:
            return self.champion
        return self.segments.get(segment_of(entity, self.segment_column) or "", self.champion)


class Answer(NamedTuple):
    """One prediction, as returned to the caller."""

    request_id: str
    prediction: float
    version: str
    arm: Arm
    decided_at: datetime
    freshness_s: Mapping[str, float | None]


class Metrics(Protocol):
    """Port for the service's metrics."""

    def answered(self, model: str, version: str, arm: Arm, latency_s: float, rows: int) -> None:
        """Rows of one request were answered by a version."""
        ...

    def failed(self, model: str, version: str, arm: Arm, cause: Exception) -> None:
        """A version could not answer.

        For a failed challenger outside the shadow, the champion answers instead.
        """
        ...

    def skipped_shadow(self, model: str) -> None:
        """A shadow request was dropped because the challenger's queue was full."""
        ...


# Schedules work after the answer; returns False when the queue is full.
RunLater = Callable[[Callable[[], None]], bool]


class ModelService:
    """Answers the predict requests of one model.

    Arguments:
        model: name of the model.
        store: online store of the window features.
        record: logs predictions; returns once they are durable.
        clock: gives the decision time of a request.
        metrics: counts answers, failures and skipped shadow requests.
        run_later: runs shadow predictions outside the request.
        from_events: computes the window features of a version that declares no serving.
    """

    def __init__(
        self,
        model: str,
        *,
        store: OnlineReader,
        record: Callable[[Sequence[Prediction]], None],
        clock: Clock,
        metrics: Metrics,
        run_later: RunLater,
        from_events: Callable[[ModelSpec], OnlineReader] | None = None,
    ) -> None:
        self.model, self._store, self._record = model, store, record
        self._clock, self._metrics, self._run_later = clock, metrics, run_later
        self._from_events = from_events
        self._computed: dict[str, tuple[ModelSpec, OnlineReader]] = {}
        self.deployed: Deployed | None = None

    def answer(self, points: Sequence[Any], request_id: str) -> list[Answer]:
        """Predict for decision points as of now.

        If the challenger fails, the champion answers instead, so the caller gets a prediction. The
        entity still counts in the challenger's arm.

        Arguments:
            points: JSON objects, at least one.
            request_id: unique; the rows of a request get the ids ``<request_id>.<number>``.

        Returns:
            One answer for each point, in their order. All of them have been logged.

        Raises:
            InvalidPointError: when a point is invalid for the model.
            Unavailable: when no version is deployed, or the online store or the log does not
                respond.
        """
        began = time.perf_counter()
        now, deployed = self._clock.now(), self._current()
        champion, challenger = deployed.champion, deployed.challenger
        keys = champion.spec.points.keys
        checked = checked_points(points, champion.request_columns, keys, deployed.other_columns)
        entities = [entity_json({key: point[key] for key in keys}) for point in checked]
        arms = [self._arm(deployed, entity) for entity in entities]
        ids = [f"{request_id}.{number}" for number in range(len(checked))]
        own = [deployed.champion_of(entity) for entity in entities]
        groups = [(arm, one.number) for arm, one in zip(arms, own, strict=True)]
        found: dict[int, _Predicted] = {}
        for group in dict.fromkeys(groups):
            places = [place for place, one in enumerate(groups) if one == group]
            requested = [
                _RequestRow(ids[place], checked[place], entities[place]) for place in places
            ]
            arm, usual = group[0], own[places[0]]
            version = challenger if challenger and arm is Arm.CHALLENGER else usual
            found |= dict(
                zip(
                    places,
                    self._predict_or_fall_back(version, usual, arm, requested, now),
                    strict=True,
                )
            )
        taken = time.perf_counter() - began
        made = [found[place].logged(now, taken) for place in range(len(checked))]
        self._record(made)
        counts = Counter((each.version, each.arm) for each in made)
        for (number, arm), rows in counts.items():
            self._metrics.answered(self.model, number, arm, taken, rows)
        if challenger is not None and in_shadow(request_id, deployed.plan.allocation):
            requested = [_RequestRow(*one) for one in zip(ids, checked, entities, strict=True)]
            if not self._run_later(lambda: self._shadow(challenger, requested, now)):
                self._metrics.skipped_shadow(self.model)
        return [
            Answer(
                request_id=each.request_id,
                prediction=each.prediction,
                version=each.version,
                arm=each.arm,
                decided_at=now,
                freshness_s=each.freshness,
            )
            for each in made
        ]

    def _current(self) -> Deployed:
        if self.deployed is None:
            raise Unavailable(
                "no version is deployed",
                where=self.model,
                hint=f"look at /readyz; `gauntlet champion {self.model}` says who should answer",
            )
        return self.deployed

    @staticmethod
    def _arm(deployed: Deployed, entity: Mapping[str, Any]) -> Arm:
        if deployed.challenger is None:
            return Arm.CHAMPION
        return arm_of(entity, deployed.plan.allocation)

    def _predict_or_fall_back(
        self,
        version: LoadedVersion,
        champion: LoadedVersion,
        arm: Arm,
        requested: Sequence[_RequestRow],
        now: datetime,
    ) -> list[_Predicted]:
        try:
            return self._predict(version, arm, requested, now)
        except Unavailable:
            raise
        except Exception as cause:  # a model can raise any exception
            self._metrics.failed(self.model, version.number, arm, cause)
            if version is champion:
                raise
            return self._predict(champion, arm, requested, now)

    def _predict(
        self, version: LoadedVersion, arm: Arm, requested: Sequence[_RequestRow], now: datetime
    ) -> list[_Predicted]:
        spec, store = self._features_of(version)
        served = look_up(spec, store, [one.point for one in requested], now)
        names = version.spec.feature_names
        rows = [
            dict(zip(names, values, strict=True))
            for values in zip(*(served.values[name] for name in names), strict=True)
        ]
        return [
            _Predicted(one, version.number, arm, row, served.freshness, float(value))
            for one, row, value in zip(requested, rows, version.answer(rows), strict=True)
        ]

    def _features_of(self, version: LoadedVersion) -> tuple[ModelSpec, OnlineReader]:
        """The declaration of a version's features, and where they are read."""
        if not version.needs_events or self._from_events is None:
            return version.spec, self._store
        found = self._computed.get(version.content)
        if found is None:
            spec = version.spec.with_serving(AT_LOOKUP)
            found = self._computed[version.content] = spec, self._from_events(spec)
        return found

    def _shadow(
        self, challenger: LoadedVersion, requested: Sequence[_RequestRow], now: datetime
    ) -> None:
        began = time.perf_counter()
        try:
            made = self._predict(challenger, Arm.SHADOW, requested, now)
            taken = time.perf_counter() - began
            self._record([each.logged(now, taken) for each in made])
        except Exception as cause:
            self._metrics.failed(self.model, challenger.number, Arm.SHADOW, cause)
            return
        self._metrics.answered(self.model, challenger.number, Arm.SHADOW, taken, len(made))


class _RequestRow(NamedTuple):
    """One row of a request."""

    request_id: str
    point: Point
    entity: dict[str, Any]


class _Predicted(NamedTuple):
    """The prediction of one row, before the latency of its request is known."""

    requested: _RequestRow
    version: str
    arm: Arm
    features: dict[str, Any]
    freshness: dict[str, float | None]
    value: float

    def logged(self, now: datetime, seconds: float) -> Prediction:
        """The row of the log."""
        return Prediction.model_construct(
            request_id=self.requested.request_id,
            version=self.version,
            arm=self.arm,
            decided_at=now,
            entity=self.requested.entity,
            features=self.features,
            freshness=self.freshness,
            prediction=self.value,
            latency_ms=seconds * 1e3,
        )
