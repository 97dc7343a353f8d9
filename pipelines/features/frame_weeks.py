"""Frames from weeks that were computed before, and from those that were not.

The rows of a week are kept once all of its labels have matured, under a key of everything that
determines them (``week_key``). The newer weeks are computed every time.
"""

# ruff: noqa: S608 - paths come from files_sql, and instants are numbers

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from pipelines.core.files import draft_in
from pipelines.core.time import MICROSECOND, Window, epoch_us
from pipelines.core.weeks import WEEK, monday_before, week_of
from pipelines.data.engines.port import Database
from pipelines.data.engines.tables import database_of, write_parquet
from pipelines.data.events import Progress
from pipelines.data.kept_files import KeptFiles
from pipelines.data.paths import files_sql
from pipelines.data.week_sums import WeekSum
from pipelines.features.frame import build_frame
from pipelines.features.reach import reaches, within_reach
from pipelines.features.week_key import frame_definition, week_key
from pipelines.spec.frame import FrameSpec

if TYPE_CHECKING:
    import ibis


@dataclass(frozen=True)
class FrameWeeks:
    """A frame as of an instant, whose weeks are kept.

    Arguments:
        spec: points, features and label.
        streams: canonical table of each stream, in one connection of an engine.
        sums: what each stream holds; without sums of a stream, nothing is kept and all is computed.
        as_of: rows known later are not read; later points are not included.
        kept: the rows of weeks, as Parquet files.
        progress: called with short messages.
    """

    spec: FrameSpec
    streams: Mapping[str, ibis.Table]
    sums: Mapping[str, Sequence[WeekSum]]
    as_of: datetime
    kept: KeptFiles
    progress: Progress = lambda _: None

    def write(self, start: datetime, path: Path) -> None:
        """Write the rows of ``build_frame`` from an instant on as one Parquet file.

        Arguments:
            start: zoned; earlier points are left out.
            path: the file to write.

        Raises:
            As ``build_frame``.
            Unavailable: the disk is full.
        """
        weeks = self._weeks(start)
        keys = self._keys(weeks)
        files = {
            monday: file
            for monday, key in keys.items()
            if (file := self.kept.read(key, self.progress)) is not None
        }
        with draft_in(path.parent) as folder:
            folder.mkdir()
            for run in _runs([monday for monday in weeks if monday not in files]):
                file = files[run.start] = folder / f"{run.start:%Y-%m-%d}.parquet"
                self._compute(run, file)
                for monday in run.steps(WEEK):
                    if monday in keys:
                        self._keep(keys[monday], file, week_of(monday))
            self._copy([files[monday] for monday in sorted(files)], start, None, path)
        self.kept.prune()

    def _weeks(self, start: datetime) -> list[datetime]:
        """The Mondays of all weeks that can have points, oldest first."""
        known = [one.known for one in self.sums.get(self.spec.points.stream, ())]
        first = monday_before(start)
        if known:
            first = max(first, datetime.combine(min(known), time(), UTC))
        return [*Window(first, max(first, self.as_of) + MICROSECOND).steps(WEEK)]

    def _keys(self, weeks: Sequence[datetime]) -> dict[datetime, str]:
        """The key of each week whose labels have all matured."""
        reach, label = reaches(self.spec), self.spec.label
        if not all(self.sums.get(name) for name in reach):
            return {}
        definition = frame_definition(self.spec, self._database.version)
        maturity = timedelta(0) if label is None else label.horizon + label.delay
        return {
            monday: week_key(definition, reach, monday, self.sums)
            for monday in weeks
            if monday + WEEK + maturity <= self.as_of
        }

    def _compute(self, run: Window, path: Path) -> None:
        self.progress(f"computing the points of {run.duration // WEEK} weeks from {run.start:%F}")
        near = within_reach(self.streams, reaches(self.spec), run)
        frame = build_frame(self.spec, near, self.as_of, run)
        write_parquet(frame.order_by(["decision_time", *self.spec.points.keys]), path)

    def _keep(self, key: str, file: Path, week: Window) -> None:
        self.kept.write(key, lambda draft: self._copy([file], week.start, week.end, draft))

    def _copy(self, files: Sequence[Path], start: datetime, end: datetime | None, to: Path) -> None:
        """Copy the points of some files from an instant on, and until another one."""
        within = f"decision_time >= {_timestamp(start)}"
        if end is not None:
            within += f" AND decision_time < {_timestamp(end)}"
        rows = f"SELECT * FROM {files_sql(files)} WHERE {within}"
        self._database.copy_rows(rows, to)

    @property
    def _database(self) -> Database:
        return database_of(next(iter(self.streams.values())).get_backend())


def _timestamp(at: datetime) -> str:
    return f"make_timestamp({epoch_us(at)}::BIGINT)"


def _runs(weeks: Sequence[datetime]) -> Iterator[Window]:
    """Consecutive weeks as one stretch each."""
    first = None
    for number, monday in enumerate(weeks, 1):
        first = first or monday
        if number == len(weeks) or weeks[number] != monday + WEEK:
            yield Window(first, monday + WEEK)
            first = None
