"""Frames from weeks that were computed before, and from those that were not.

The rows of a week are kept once all of its labels have matured, under a key of everything that
determines them (``week_key``). The newer weeks are computed every time, unless they were cut from
the frame of a later instant: these are kept under a key of the snapshot.
"""

# ruff: noqa: S608 - paths come from files_sql, and instants are numbers

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from pipelines.core.files import draft_in
from pipelines.core.records import digest_of
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
class FrameWeek:
    """The rows of one week of a frame.

    Arguments:
        monday: when the week begins.
        file: Parquet; has the rows of all of the week, and may have those of other weeks.
        name: of the kept file of the rows: hashes of what determines them and of themselves;
            ``None``: they are kept nowhere, since later events can change them.
    """

    monday: datetime
    file: Path
    name: str | None


@dataclass(frozen=True)
class FrameWeeks:
    """A frame as of an instant, whose weeks are kept.

    Arguments:
        spec: points, features and label.
        streams: canonical table of each stream, in one connection of an engine.
        sums: what each stream holds; without sums of a stream, nothing is kept and all is computed.
        as_of: rows known later are not read; later points are not included.
        snapshot: id of the snapshot, 64 hexadecimal digits.
        kept: the rows of weeks, as Parquet files.
        progress: called with short messages.
    """

    spec: FrameSpec
    streams: Mapping[str, ibis.Table]
    sums: Mapping[str, Sequence[WeekSum]]
    as_of: datetime
    snapshot: str
    kept: KeptFiles
    progress: Progress = lambda _: None

    def write(self, start: datetime, path: Path) -> None:
        """Write the rows of ``build_frame`` from an instant on as one Parquet file.

        Arguments:
            start: zoned; earlier points are left out.
            path: the file to write.

        Raises:
            As ``weeks``.
        """
        with self.weeks(start) as weeks:
            self.write_weeks(weeks, start, path)

    @contextmanager
    def weeks(self, start: datetime) -> Iterator[list[FrameWeek]]:
        """The weeks from that of an instant on, oldest first; their files last for the block.

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
        names = {monday: file.name for monday, file in files.items()}
        newest = [monday for monday in weeks if monday >= self._first_open]
        if any(monday not in files for monday in newest):
            cut = self.kept.read(self._newest_key, self.progress)
            if cut is not None:
                files |= dict.fromkeys(newest, cut)
                names = {monday: name for monday, name in names.items() if monday not in newest}
        missing = [monday for monday in weeks if monday not in files]
        with draft_in(self.kept.folder) as folder:
            folder.mkdir()
            for run in _runs(missing):
                file = folder / f"{run.start:%Y-%m-%d}.parquet"
                self._compute(run, file)
                for monday in run.steps(WEEK):
                    files[monday] = file
                    if monday in keys:
                        names[monday] = self._keep(keys[monday], file, week_of(monday)).name
            self.kept.prune()
            yield [FrameWeek(monday, files[monday], names.get(monday)) for monday in weeks]

    def write_weeks(self, weeks: Sequence[FrameWeek], start: datetime, path: Path) -> None:
        """Write the rows of ``weeks`` from an instant on; arguments as for ``write``."""
        self._copy([*dict.fromkeys(week.file for week in weeks)], start, None, path)

    def keep_newest(self, start: datetime, later: Path) -> None:
        """Keep the weeks that later events can change, cut from the frame of a later instant.

        A label that had matured by ``as_of`` has to be the same at both instants. Nothing is kept
        of a frame that lacks points of these weeks: it is read by frames that begin earlier.

        Arguments:
            start: zoned; the first instant of ``later``.
            later: what ``write`` wrote as of a later instant, of the same events and declaration.
        """
        if start > self._first_open:
            return
        matured = f"CASE WHEN matured_at <= {_timestamp(self.as_of)} THEN label END AS label"
        columns = "*" if self.spec.label is None else f"* REPLACE ({matured})"
        until = f"decision_time <= {_timestamp(self.as_of)}"
        since = f"decision_time >= {_timestamp(self._first_open)}"
        rows = f"SELECT {columns} FROM {files_sql([later])} WHERE {since} AND {until}"
        self.kept.write(self._newest_key, lambda draft: self._database.copy_rows(rows, draft))

    @property
    def _newest_key(self) -> str:
        definition = frame_definition(self.spec, self._database.version)
        return digest_of({"frame": definition, "snapshot": self.snapshot})

    @property
    def _first_unmatured(self) -> datetime:
        """The Monday of the oldest week whose labels have not all matured."""
        return monday_before(self.as_of - WEEK - self._maturity) + WEEK

    @property
    def _first_open(self) -> datetime:
        """The Monday of the oldest week whose labels or key can still change."""
        after = max((one.after for one in reaches(self.spec).values()), default=timedelta(0))
        unsettled = monday_before(monday_before(self.as_of) - WEEK - after) + WEEK
        return min(self._first_unmatured, unsettled)

    @property
    def _maturity(self) -> timedelta:
        label = self.spec.label
        return timedelta(0) if label is None else label.horizon + label.delay

    def _weeks(self, start: datetime) -> list[datetime]:
        """The Mondays of all weeks that can have points, oldest first."""
        known = [one.known for one in self.sums.get(self.spec.points.stream, ())]
        first = monday_before(start)
        if known:
            first = max(first, datetime.combine(min(known), time(), UTC))
        return [*Window(first, max(first, self.as_of) + MICROSECOND).steps(WEEK)]

    def _keys(self, weeks: Sequence[datetime]) -> dict[datetime, str]:
        """The key of each week whose labels have all matured."""
        reach = reaches(self.spec)
        if not all(self.sums.get(name) for name in reach):
            return {}
        definition = frame_definition(self.spec, self._database.version)
        return {
            monday: week_key(definition, reach, monday, self.sums)
            for monday in weeks
            if monday < self._first_unmatured
        }

    def _compute(self, run: Window, path: Path) -> None:
        self.progress(f"computing the points of {run.duration // WEEK} weeks from {run.start:%F}")
        near = within_reach(self.streams, reaches(self.spec), run)
        frame = build_frame(self.spec, near, self.as_of, run)
        write_parquet(frame.order_by(["decision_time", *self.spec.points.keys]), path)

    def _keep(self, key: str, file: Path, week: Window) -> Path:
        return self.kept.write(key, lambda draft: self._copy([file], week.start, week.end, draft))

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
