"""A world that acts on what the real service predicts, day by day, while a release goes on.

Each night the online store is filled and every pharmacy asks for its coming week. In the morning
those whose delivery comes get what they ordered by it, then customers come. What was sold reaches
the store as late as tills report it, the prediction log is shipped, and the release takes a step.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime, time, timedelta

from pipelines.core.time import utc
from pipelines.data.writing import write_events
from pipelines.flows.materialize import materialize
from pipelines.flows.release import advance
from pipelines.flows.release_report import ReleaseReport
from pipelines.flows.run import Parts
from pipelines.flows.serve import publish_plan, ship_log
from pipelines.simulation.calling import Callers
from pipelines.simulation.shelves import Shelves
from pipelines.simulation.world import KNOWN_COLUMNS

ASKED = timedelta(minutes=30)  # after midnight
SHIPPED = timedelta(hours=1)
STEPPED = timedelta(hours=2)
STREAMS = ("dispensing", "stock")
_DAY = timedelta(days=1)


class MovingClock:
    """A clock that stands where it was put last."""

    def __init__(self, at: datetime) -> None:
        self._at = utc(at)

    def now(self) -> datetime:
        """The instant at which it stands."""
        return self._at

    def move(self, to: datetime) -> None:
        """Put it forward, or back."""
        self._at = utc(to)


class Living:
    """Days of a world in which a model's champion and its challenger answer.

    Arguments:
        model: its name; it declares ``serving`` and has a champion.
        shelves: of the world.
        callers: who ask the service.
        parts: the collaborators of every flow, on the same clock as the service.
        clock: moved through each day.
        follow: makes the service follow the newest plan, its shadows' work all done.
        first: the first day.
    """

    def __init__(
        self,
        model: str,
        shelves: Shelves,
        callers: Callers,
        parts: Parts,
        clock: MovingClock,
        follow: Callable[[], None],
        first: date,
    ) -> None:
        self.model, self.shelves, self.parts, self.clock = model, shelves, parts, clock
        self._callers, self._follow, self.next = callers, follow, first
        self._look: datetime | None = None

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
        self.clock.move(midnight + ASKED)
        materialize(self.model, self.clock.now(), self.parts)
        publish_plan(self.model, self.parts)
        self._follow()
        forecast = self._callers.forecast(day)
        self._follow()
        self.clock.move(midnight + SHIPPED)
        ship_log(self.model, self.parts)
        store = self.parts.open_store(self.parts.load_spec(self.model))
        tables = self.shelves.day(day, forecast)
        for stream in STREAMS:
            if tables[stream].num_rows:
                write_events(store, stream, tables[stream], KNOWN_COLUMNS[stream])
        self.next = day + _DAY
        self.clock.move(midnight + STEPPED)
        if self._look is not None and self.clock.now() < self._look:
            return None
        report = advance(self.model, self.clock.now(), self.parts)
        self._look = report.next_look
        return report
