"""Answers requests: an arm for the entity, features as production has them, a prediction, a log.

What answers is one immutable ``Deployed``: replacing it is one assignment. A request works with the
one that it met, so a switch loses none, and the version before stays loaded until nobody uses it.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol

from pipelines.core.errors import Unavailable
from pipelines.core.time import Clock
from pipelines.features.online.lookup import look_up
from pipelines.features.online.store import OnlineStore
from pipelines.predictions.assignment import arm_of, in_shadow
from pipelines.predictions.record import Prediction
from pipelines.serving.loaded_version import LoadedVersion
from pipelines.serving.plan import ServingPlan
from pipelines.serving.request import Point, checked_points
from pipelines.spec.predictions import Arm


@dataclass(frozen=True)
class Deployed:
    """A plan and the versions that it names, loaded."""

    plan: ServingPlan
    champion: LoadedVersion
    challenger: LoadedVersion | None = None


@dataclass(frozen=True)
class Answer:
    """One prediction, as the caller gets it."""

    request_id: str
    prediction: float
    version: str
    arm: Arm
    decided_at: datetime
    freshness_s: Mapping[str, float | None]


class Metrics(Protocol):
    """Who counts what happens."""

    def answered(self, model: str, version: str, arm: Arm, latency_s: float, rows: int) -> None:
        """Rows of one request were answered by a version."""
        ...

    def failed(self, model: str, version: str, arm: Arm, cause: Exception) -> None:
        """A version could not answer; the champion did in its place, or nobody had to."""
        ...

    def skipped_shadow(self, model: str) -> None:
        """The challenger had no time for a request in shadow."""
        ...


RunLater = Callable[[Callable[[], None]], bool]  # does something after the answer; False: no room


class ModelService:
    """One model's requests.

    Arguments:
        model: its name.
        store: where window features are.
        record: makes predictions durable; returns when they are.
        clock: says at which instant a request decides.
        watcher: is told what happens.
        later: takes the shadow's work off the request's way.
    """

    def __init__(
        self,
        model: str,
        *,
        store: OnlineStore,
        record: Callable[[Sequence[Prediction]], None],
        clock: Clock,
        metrics: Metrics,
        run_later: RunLater,
    ) -> None:
        self.model, self._store, self._record = model, store, record
        self._clock, self._metrics, self._run_later = clock, metrics, run_later
        self.deployed: Deployed | None = None

    def answer(self, points: Sequence[Any], request_id: str) -> list[Answer]:
        """Predict for some decision points at the present instant.

        A challenger that cannot answer costs no caller anything: the champion does, and the entity
        stays in its arm, as it would be counted had it been answered worse.

        Arguments:
            points: JSON objects, at least one.
            request_id: unique; the rows of a request are called ``<request_id>.<number>``.

        Returns:
            One answer for each point, in their order, all of them in the log.

        Raises:
            WrongPointError: when a point is not what the model can be asked.
            Unavailable: when nothing is deployed, or the online store or the log does not answer.
        """
        began = time.perf_counter()
        now, deployed = self._clock.now(), self._standing()
        champion, challenger = deployed.champion, deployed.challenger
        also = challenger.spec.request_columns() if challenger else None
        checked = checked_points(points, champion.spec, also)
        keys = champion.spec.points.keys
        entities = [{key: point[key] for key in keys} for point in checked]
        arms = [self._arm(deployed, entity) for entity in entities]
        ids = [f"{request_id}.{number}" for number in range(len(checked))]
        found: dict[int, Prediction] = {}
        for arm in dict.fromkeys(arms):
            places = [place for place, one in enumerate(arms) if one is arm]
            asked = [_RequestRow(ids[place], checked[place], entities[place]) for place in places]
            version = challenger if challenger and arm is Arm.CHALLENGER else champion
            found |= dict(
                zip(
                    places,
                    self._predict_or_fall_back(version, champion, arm, asked, now),
                    strict=True,
                )
            )
        taken = time.perf_counter() - began
        made = [_with_latency(found[place], taken) for place in range(len(checked))]
        self._record(made)
        for arm in dict.fromkeys(arms):
            rows = [each for each in made if each.arm is arm]
            self._metrics.answered(self.model, rows[0].version, arm, taken, len(rows))
        if challenger is not None and in_shadow(request_id, deployed.plan.allocation):
            asked = [_RequestRow(*one) for one in zip(ids, checked, entities, strict=True)]
            if not self._run_later(lambda: self._shadow(challenger, asked, now)):
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

    def _standing(self) -> Deployed:
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
        asked: Sequence[_RequestRow],
        now: datetime,
    ) -> list[Prediction]:
        try:
            return self._predict(version, arm, asked, now)
        except Unavailable:
            raise
        except Exception as cause:  # a model may raise whatever it likes
            self._metrics.failed(self.model, version.number, arm, cause)
            if version is champion:
                raise
            return self._predict(champion, arm, asked, now)

    def _predict(
        self, version: LoadedVersion, arm: Arm, asked: Sequence[_RequestRow], now: datetime
    ) -> list[Prediction]:
        served = look_up(version.spec, self._store, [one.point for one in asked], now)
        names = version.spec.feature_names
        rows = [
            dict(zip(names, values, strict=True))
            for values in zip(*(served.values[name] for name in names), strict=True)
        ]
        return [
            Prediction.model_construct(
                request_id=one.request_id,
                version=version.number,
                arm=arm,
                decided_at=now,
                entity=dict(one.entity),
                features=row,
                freshness=served.freshness,
                prediction=float(value),
                latency_ms=0.0,
            )
            for one, row, value in zip(asked, rows, version.answer(rows), strict=True)
        ]

    def _shadow(
        self, challenger: LoadedVersion, asked: Sequence[_RequestRow], now: datetime
    ) -> None:
        began = time.perf_counter()
        try:
            made = self._predict(challenger, Arm.SHADOW, asked, now)
            taken = time.perf_counter() - began
            self._record([_with_latency(each, taken) for each in made])
        except Exception as cause:
            self._metrics.failed(self.model, challenger.number, Arm.SHADOW, cause)
            return
        self._metrics.answered(self.model, challenger.number, Arm.SHADOW, taken, len(made))


@dataclass(frozen=True)
class _RequestRow:
    """One row of a request."""

    request_id: str
    point: Point
    entity: Mapping[str, Any]


def _with_latency(prediction: Prediction, seconds: float) -> Prediction:
    return prediction.model_copy(update={"latency_ms": seconds * 1e3})
