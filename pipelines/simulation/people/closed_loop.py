"""A world that acts on what is predicted, day by day, while a release goes on.

Each night the coming week is forecast. In the morning those whose delivery comes get what they
ordered by it, then customers come. What was sold reaches the store as late as tills report it, and
the release takes a step.
"""

from __future__ import annotations

from collections.abc import Iterator
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
_DAY = timedelta(days=1)


class ClosedLoop:
    """Days of a world in which a model's champion and its challenger answer.

    Arguments:
        model: its name; it declares ``serving`` and has a champion.
        inventory: of the world.
        client: who asks for forecasts, on the same clock.
        collaborators: the flows that its days need.
        clock: moved through each day.
        first: the first day.
    """

    def __init__(
        self,
        model: str,
        inventory: Inventory,
        client: ForecastClient,
        collaborators: SimulationCollaborators,
        clock: SettableClock,
        first: date,
    ) -> None:
        self.model, self.inventory, self.clock = model, inventory, clock
        self.collaborators = collaborators
        self._client, self.next = client, first
        self._next_check: datetime | None = None

    def days(self, until: date) -> Iterator[ReleaseReport]:
        """Live until the morning of a day; what each step of the release came to."""
        while self.next < until:
            report = self.day()
            if report is not None:
                yield report

    def day(self) -> ReleaseReport | None:
        """Live one day more; the release's step, if it was time for one.

        Raises:
            GauntletError: as the flows do, and when the service does not answer.
        """
        day, midnight = self.next, datetime.combine(self.next, time(), UTC)
        forecast = self._client.forecast(day)
        store = self.collaborators.open_store(self.collaborators.load_spec(self.model))
        tables = self.inventory.day(day, forecast)
        for stream in STREAMS:
            if tables[stream].num_rows:
                write_events(store, stream, tables[stream], KNOWN_COLUMNS[stream])
        self.next = day + _DAY
        self.clock.move(midnight + RELEASE_AT)
        if self._next_check is not None and self.clock.now() < self._next_check:
            return None
        report = advance(self.model, self.clock.now(), self.collaborators.release)
        self._next_check = report.next_check
        return report
