"""Clients that request forecasts each night: a port with implementations over HTTP and in batch.

Over HTTP every pharmacy requests its own coming week from the service. In batch one run scores all
pairs, and orders are computed from the scores in the store.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from datetime import UTC, date, datetime, time, timedelta
from typing import Protocol

import numpy as np

from pipelines.core.arrays import Floats
from pipelines.core.time import utc
from pipelines.flows.features.materialize import materialize
from pipelines.flows.serving.batch_score import newest_scores, score
from pipelines.flows.serving.publish import publish_plan, ship_log
from pipelines.simulation.collaborators import SimulationCollaborators
from pipelines.simulation.people.http_pharmacies import HttpPharmacies
from pipelines.simulation.world import World

FORECAST_AT = timedelta(minutes=30)  # after midnight
SHIPPED_AT = timedelta(hours=1)
Service = Callable[[], AbstractContextManager[tuple[int, Callable[[], None]]]]


class SettableClock:
    """A clock that shows the instant to which it was last set."""

    def __init__(self, at: datetime) -> None:
        self._at = utc(at)

    def now(self) -> datetime:
        """The current instant of the clock."""
        return self._at

    def move(self, to: datetime) -> None:
        """Set the clock forward or back."""
        self._at = utc(to)


class ForecastClient(Protocol):
    """Implementations pass ``tests/e2e/serving/test_forecast_clients.py``."""

    def forecast(self, day: date) -> Floats:
        """Forecast packs of the seven days from ``day``, as of the first hour of that day.

        Afterwards every answer is in the store's prediction log, and the clock is at 01:00.

        Returns:
            Packs of each pair, (P, M); NaN where there is no answer.

        Raises:
            GauntletError: as the flows do, and when the service does not answer.
        """
        ...


OpenForecastClient = Callable[
    [World, str, SimulationCollaborators, SettableClock], AbstractContextManager[ForecastClient]
]


def http_clients(service: Service) -> OpenForecastClient:
    """Pharmacies that send requests to a service, which reads the online store.

    Arguments:
        service: opens the service; returns its port and a function that makes it follow the newest
            plan at once, after all shadow work is finished.
    """

    @contextmanager
    def clients(
        world: World, model: str, collaborators: SimulationCollaborators, clock: SettableClock
    ) -> Iterator[ForecastClient]:
        with service() as (port, follow), HttpPharmacies(world, model, port) as callers:
            yield _HttpClients(model, callers, collaborators, clock, follow)

    return clients


@contextmanager
def batch_client(
    world: World, model: str, collaborators: SimulationCollaborators, clock: SettableClock
) -> Iterator[ForecastClient]:
    """Runs the equivalent of ``gauntlet score`` every night."""
    yield _BatchClient(world, model, collaborators, clock)


class _HttpClients:
    def __init__(
        self,
        model: str,
        callers: HttpPharmacies,
        collaborators: SimulationCollaborators,
        clock: SettableClock,
        follow: Callable[[], None],
    ) -> None:
        self._model, self._callers, self._collaborators = model, callers, collaborators
        self._clock, self._follow = clock, follow

    def forecast(self, day: date) -> Floats:
        """See ``ForecastClient.forecast``."""
        self._clock.move(_midnight(day) + FORECAST_AT)
        materialize(self._model, self._clock.now(), self._collaborators.materialization)
        publish_plan(self._model, self._collaborators.publishing)
        self._follow()
        forecasts = self._callers.forecast(day)
        self._follow()
        self._clock.move(_midnight(day) + SHIPPED_AT)
        store = self._collaborators.open_store(self._collaborators.load_spec(self._model))
        ship_log(self._model, self._collaborators.home, store, self._clock)
        return forecasts


class _BatchClient:
    def __init__(
        self, world: World, model: str, collaborators: SimulationCollaborators, clock: SettableClock
    ) -> None:
        people = world.population
        self._row = {name: place for place, name in enumerate(people.pharmacies)}
        self._column = {name: place for place, name in enumerate(people.medicines)}
        self._model, self._collaborators, self._clock = model, collaborators, clock

    def forecast(self, day: date) -> Floats:
        """See ``ForecastClient.forecast``."""
        self._clock.move(_midnight(day) + FORECAST_AT)
        score(self._model, self._clock.now(), self._collaborators.scoring)
        self._clock.move(_midnight(day) + SHIPPED_AT)
        forecasts = np.full((len(self._row), len(self._column)), np.nan)
        spec = self._collaborators.load_spec(self._model)
        for one in newest_scores(spec, self._collaborators.open_store(spec)):
            place = self._row[one["pharmacy"]], self._column[one["medicine"]]
            forecasts[place] = one["prediction"]
        return forecasts


def _midnight(day: date) -> datetime:
    return datetime.combine(day, time(), UTC)
