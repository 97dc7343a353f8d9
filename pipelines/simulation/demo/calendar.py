"""The Monday on which the stories of the demonstration end, kept in the home from its first run."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

from pipelines.core.files import write_bytes
from pipelines.core.formats import StoredFormat
from pipelines.core.records import Instant, Record
from pipelines.core.weeks import WEEK, monday_before

FOLDER = "demo"  # in the home


class DemoCalendar(Record):
    """When the demonstration takes place."""

    monday: Instant

    def weeks_from(self, ends: datetime) -> int:
        """The weeks by which a story is moved that ends on another Monday."""
        return (self.monday - ends) // WEEK


_FORMAT = StoredFormat("the calendar of the demonstration", DemoCalendar)


def has_demo(home: Path) -> bool:
    """Whether the demonstration ran in a home, or began to."""
    return _file(home).exists()


def demo_calendar(home: Path, now: datetime) -> DemoCalendar:
    """The calendar of a home: that of the first run, which ended on the newest Monday.

    Raises:
        FormatError: the kept calendar cannot be read.
    """
    path = _file(home)
    if not path.exists():
        made = DemoCalendar(monday=monday_before(now))
        path.parent.mkdir(parents=True, exist_ok=True)
        write_bytes(path, _FORMAT.to_text(made).encode())
    return _FORMAT.from_text(path.read_bytes(), str(path))


def _file(home: Path) -> Path:
    return home / FOLDER / "calendar.json"
