"""A world that acts on predictions, day by day, during a release.

Each night the coming week is forecast. In the morning pharmacies with a delivery get the quantities
that they ordered from the forecast, then customers come. Sales reach the store with the delay of
the tills' reports, and the release takes a step.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime, time, timedelta

from pipelines.data.ingest.partitions import write_events
from pipelines.flows.release.advance import advance
from pipelines.flows.release.report import ReleaseReport
from pipelines.simulation.collaborators import SimulationCollaborators
from pipelines.simulation.people.forecast_clients import ForecastClient, SettableClock
from pipelines.simulation.people.inventory import Inventory
from pipelines.simulation.world import KNOWN_COLUMNS

RELEASE_AT = timedelta(hours=2)  # after midnight
STREAMS = ("dispensing", "stock")


class ClosedLoop:
    """Simulates days in which a model's champion and challenger answer.

    Arguments:
        model: name of a model that declares ``serving`` and has a champion.
        inventory: stock of the world's pharmacies.
        client: client that requests forecasts, on the same clock.
        collaborators: the flows that its days need.
        clock: clock to move through each day.
        keep: called when the events of a day are in the store, to keep the inventory.
    """

    def __init__(
        self,
        model: str,
        inventory: Inventory,
        client: ForecastClient,
        collaborators: SimulationCollaborators,
        clock: SettableClock,
        keep: Callable[[], None] = lambda: None,
    ) -> None:
        self.model, self.inventory, self.clock = model, inventory, clock
        self.collaborators = collaborators
        self._client, self._keep = client, keep
        self._next_check: datetime | None = None

    def days(self, until: date) -> Iterator[ReleaseReport]:
        """Simulate until the morning of a day; yields the report of each step of the release."""
        while self.inventory.next_day < until:
            report = self.day()
            if report is not None:
                yield report

    def day(self) -> ReleaseReport | None:
        """Simulate one more day; returns the report of the release's step, if one was due.

        Raises:
            GauntletError: as the flows do, and when the service does not answer.
        """
        day = self.inventory.next_day
        forecast = self._client.forecast(day)
        store = self.collaborators.open_store(self.collaborators.load_spec(self.model))
        tables = self.inventory.day(day, forecast)
        for stream in STREAMS:
            if tables[stream].num_rows:
                path = f"{self.model}/{stream}"
                write_events(store, path, tables[stream], KNOWN_COLUMNS[stream])
        self._keep()
        self.clock.move(datetime.combine(day, time(), UTC) + RELEASE_AT)
        if self._next_check is not None and self.clock.now() < self._next_check:
            return None
        report = advance(self.model, self.clock.now(), self.collaborators.release)
        self._next_check = report.next_check
        return report
