"""What the leak probe found in the weeks of a frame, kept beside the rows of each week.

A week's rows are kept under a hash of everything that determines them, and what the probe found in
them under that hash and one of the rows themselves. So rows that were computed anew with another
result are probed anew.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from pipelines.core.counts import counted
from pipelines.core.findings import Finding
from pipelines.core.records import digest_of
from pipelines.core.time import EARLIEST, MICROSECOND, epoch_us
from pipelines.core.weeks import WEEK, monday_before
from pipelines.data.engines.tables import read_parquet
from pipelines.data.events import Progress
from pipelines.data.kept_files import KeptFiles
from pipelines.features.frame_weeks import FrameWeek
from pipelines.gates.availability.leak_probe import (
    ProbedWeek,
    leak_finding,
    points_a_week,
    probe_weeks,
)
from pipelines.spec.frame import FrameSpec

if TYPE_CHECKING:
    import ibis

FORMAT = 1  # a higher number makes all kept results obsolete


@dataclass(frozen=True)
class KeptProbes:
    """The leak probe of a frame, week by week.

    Arguments:
        files: a result for each week; only of weeks in which no point differs.
        sample: number of points of a frame, at least 1; up to one more for each week.
        seed: seed of the sample.
        progress: called with short messages.
    """

    files: KeptFiles
    sample: int
    seed: int
    progress: Progress = lambda _: None

    def probe(
        self,
        spec: FrameSpec,
        streams: Mapping[str, ibis.Table],
        weeks: Sequence[FrameWeek],
        as_of: datetime,
    ) -> Finding:
        """The finding of ``leak_probe`` about a frame.

        It is the same whichever weeks are kept.

        Arguments:
            spec, streams, as_of: as for ``probe_weeks``.
            weeks: of the frame. That in which the frame begins is sampled whole; one without
                points is left out.

        Raises:
            Unavailable: the disk is full.
        """
        weeks = _with_points(weeks)
        each = points_a_week(self.sample, len(weeks))
        keys = {one.monday: self._key(one.name, each) for one in weeks if one.name is not None}
        found = {
            monday: ProbedWeek.model_validate_json(path.read_bytes())
            for monday, key in keys.items()
            if (path := self.files.read(key, self.progress)) is not None
        }
        new = [one for one in weeks if one.monday not in found]
        if new:
            self.progress(f"probing sampled points of {counted(len(new), 'week')}")
            rows = _rows_of(new, streams)
            probed = probe_weeks(spec, streams, rows, as_of, each=each, seed=self.seed)
            for one in new:
                found[one.monday] = result = probed.get(one.monday, ProbedWeek(points=0))
                if one.monday in keys and not result.unequal:
                    content = result.model_dump_json().encode()
                    self.files.write(keys[one.monday], partial(Path.write_bytes, data=content))
            self.files.prune()
        return leak_finding([found[one.monday] for one in weeks])

    def _key(self, week: str, each: int) -> str:
        return digest_of({"probe": [FORMAT, each, self.seed], "week": week})


def _with_points(weeks: Sequence[FrameWeek]) -> list[FrameWeek]:
    """The weeks that have a point."""
    import numpy as np
    import pyarrow as pa
    import pyarrow.parquet as pq

    first, length = epoch_us(monday_before(EARLIEST)), WEEK // MICROSECOND
    there: set[int] = set()
    for path in dict.fromkeys(one.file for one in weeks):
        for part in pq.ParquetFile(path).iter_batches(columns=["decision_time"]):
            times = part.column(0).cast(pa.timestamp("us")).to_numpy(zero_copy_only=False)
            counts = np.bincount((times.astype(np.int64) - first) // length)
            there.update(np.flatnonzero(counts).tolist())
    return [one for one in weeks if (epoch_us(one.monday) - first) // length in there]


def _rows_of(weeks: Sequence[FrameWeek], streams: Mapping[str, ibis.Table]) -> ibis.Table:
    """The rows of some weeks, and of weeks between them that are in the same file."""
    import ibis

    connection = next(iter(streams.values())).get_backend()
    together: dict[Path, list[datetime]] = {}
    for one in weeks:
        together.setdefault(one.file, []).append(one.monday.astimezone(UTC).replace(tzinfo=None))
    tables = []
    for file, mondays in together.items():
        table = read_parquet(connection, file)
        at = table["decision_time"]
        tables.append(table.filter(at >= min(mondays), at < max(mondays) + WEEK))
    return ibis.union(*tables) if len(tables) > 1 else tables[0]
