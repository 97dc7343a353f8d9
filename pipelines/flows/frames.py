"""Frames of decision points, from a snapshot to Parquet, and back as rows for scikit-learn."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from pipelines.core.files import working_folder
from pipelines.core.findings import Finding
from pipelines.core.records import Record
from pipelines.core.time import Window
from pipelines.data.reader import EventReader
from pipelines.data.snapshot import Snapshot
from pipelines.flows.workspace import Workspace
from pipelines.spec.frame import FrameSpec
from pipelines.spec.model import ModelSpec
from pipelines.training.split import SplitPlan

if TYPE_CHECKING:
    import ibis
    import pandas as pd

    from pipelines.data.week_sums import WeekSum
    from pipelines.features.frame_rows import FrameRows
    from pipelines.features.frame_weeks import FrameWeeks

FRAME = "frame.parquet"
PROBED_POINTS = 32
PROBE_SEED = 20260101


@dataclass(frozen=True)
class TrainingRows:
    """The rows of a training span.

    Arguments:
        rows: what is fitted on: all rows, or a sample of the labelled ones.
        points: keys, ``decision_time`` and label of all labelled rows.
    """

    rows: pd.DataFrame
    points: pd.DataFrame


class Frame(Record):
    """A written frame: the decision points from the start of training until as-of."""

    plan: SplitPlan
    rows: int
    findings: tuple[Finding, ...]


def write_frame(
    events: EventReader,
    spec: ModelSpec,
    snapshot: Snapshot,
    plan: SplitPlan,
    workspace: Workspace,
    *,
    start: datetime | None = None,
) -> Frame:
    """Write a frame as of the plan's instant as Parquet, and probe it for leaks.

    The probe samples all weeks. Of those that were computed and probed before, it has the result.

    Arguments:
        events, spec, snapshot: as for ``write_points``.
        plan: of the run.
        workspace: the frame is written to.
        start: zoned; earlier points are left out; ``None``: from the start of training.
    """
    import pyarrow.parquet as pq

    from pipelines.gates.availability.kept_probes import KeptProbes

    start = start or plan.train.start
    kept = KeptProbes(events.probes, PROBED_POINTS, PROBE_SEED, events.progress)
    with events.tables(snapshot, spec.streams) as tables:
        frame = _weeks_of(events, spec.frame, snapshot, tables)
        with frame.weeks(start) as weeks:
            path = workspace.write(FRAME, lambda draft: frame.write_weeks(weeks, start, draft))
            found = kept.probe(spec.frame, tables, weeks, plan.as_of)
    rows = pq.read_metadata(path).num_rows
    return Frame(plan=plan, rows=rows, findings=(found,))


def write_points(
    events: EventReader,
    frame: FrameSpec,
    snapshot: Snapshot,
    tables: Mapping[str, ibis.Table],
    start: datetime,
    path: Path,
) -> None:
    """Write the decision points from an instant until the snapshot's as Parquet.

    Weeks that were computed before from the same events are read, and the others are computed.

    Arguments:
        events: reads the streams, and keeps the weeks.
        frame: points, features and label.
        snapshot: of the streams.
        tables: the snapshot's tables, in an open connection.
        start: zoned; earlier points are left out.
        path: the file to write.
    """
    _weeks_of(events, frame, snapshot, tables).write(start, path)


def keep_newest_weeks(
    events: EventReader,
    frame: FrameSpec,
    snapshot: Snapshot,
    tables: Mapping[str, ibis.Table],
    start: datetime,
    later: Path,
) -> None:
    """Keep the newest weeks of a snapshot for ``write_points``, from points of a later instant.

    Arguments:
        events, frame: as for ``write_points``.
        snapshot: of an earlier instant; its labels that had matured are those of ``later``.
        tables: of the later snapshot, in an open connection.
        start, later: from where and to which file ``write_points`` wrote its points.
    """
    _weeks_of(events, frame, snapshot, tables, {}).keep_newest(start, later)


def _weeks_of(
    events: EventReader,
    frame: FrameSpec,
    snapshot: Snapshot,
    tables: Mapping[str, ibis.Table],
    sums: Mapping[str, Sequence[WeekSum]] | None = None,
) -> FrameWeeks:
    from pipelines.features.frame_weeks import FrameWeeks

    if sums is None:
        connection = next(iter(tables.values())).get_backend()
        streams = {name: frame.streams[name] for name in tables if name in frame.streams}
        sums = events.sums_of_weeks(snapshot, streams, connection)
    known = (snapshot.as_of, snapshot.id)
    return FrameWeeks(frame, tables, sums, *known, events.frames, events.progress)


def read_rows(spec: ModelSpec, path: Path, window: Window) -> pd.DataFrame:
    """The frame's rows in a window of decision times, ordered by time and keys.

    Rows that the declaration excludes are left out.
    """
    return _ordered(spec, without_excluded(spec, _rows_in(path, window)))


def frame_rows(spec: ModelSpec, path: Path, window: Window, also: Sequence[str] = ()) -> FrameRows:
    """The rows of ``read_rows``, whose features are read from the file when they are needed.

    Arguments:
        spec: the declaration of the frame.
        path: the frame.
        window: decision times.
        also: columns to hold in memory besides keys, times and label.
    """
    from pipelines.features.frame_rows import FrameRows

    names = (spec.points.keys, spec.feature_names)
    return FrameRows(path, window, *names, exclude=spec.split.exclude, also=also)


def read_training_rows(spec: ModelSpec, path: Path, window: Window) -> TrainingRows:
    """The rows of a training span that are fitted on, ordered as by ``read_rows``.

    If more have a label than ``split.max_rows``, only the sample is read into memory whole.
    """
    import pyarrow.parquet as pq

    from pipelines.training.columns import labelled_rows
    from pipelines.training.sample import limited_rows

    most = spec.split.max_rows
    if most is not None and pq.read_metadata(path).num_rows > most:
        stored = frame_rows(spec, path, window)
        points = labelled_rows(stored.points)
        chosen = limited_rows(spec, points)
        if chosen is not points:
            rows = stored.read(chosen.index.to_numpy()).reset_index(drop=True)
            return TrainingRows(rows, points)
    rows = read_rows(spec, path, window)
    return TrainingRows(rows, labelled_rows(rows))


def read_points(spec: ModelSpec, path: Path, window: Window) -> pd.DataFrame:
    """Keys, times and labels of the labelled rows of ``read_rows``, in their order."""
    from pipelines.training.columns import labelled_rows

    return labelled_rows(frame_rows(spec, path, window).points)


def _ordered(spec: ModelSpec, rows: pd.DataFrame) -> pd.DataFrame:
    import pandas as pd

    order = ["decision_time", *spec.points.keys, *spec.feature_names]
    points = pd.MultiIndex.from_frame(rows[order[: 1 + len(spec.points.keys)]])
    if points.is_monotonic_increasing and points.is_unique:  # as written: no copy of large frames
        return rows.reset_index(drop=True)
    return rows.sort_values(list(dict.fromkeys(order)), kind="stable", ignore_index=True)


def without_excluded(spec: ModelSpec, rows: pd.DataFrame) -> pd.DataFrame:
    """The rows of a frame that the declaration does not exclude."""
    for stretch in spec.split.exclude:
        rows = rows[~stretch.touches(rows["decision_time"], rows["matured_at"])]
    return rows


def _rows_in(path: Path, window: Window) -> pd.DataFrame:
    import pandas as pd

    start, end = (bound.replace(tzinfo=None) for bound in (window.start, window.end))
    return pd.read_parquet(
        path, filters=[("decision_time", ">=", start), ("decision_time", "<", end)]
    )


def all_points(
    events: EventReader,
    spec: ModelSpec,
    snapshot: Snapshot,
    tables: Mapping[str, ibis.Table],
    window: Window,
) -> pd.DataFrame:
    """The decision points of a window of decision times, excluded ones among them, in any order.

    Arguments and labels are those of ``window_rows``.
    """
    with working_folder("gauntlet-points-") as folder:
        path = folder / FRAME
        write_points(events, spec.frame, snapshot, tables, window.start, path)
        return _rows_in(path, window)


def window_rows(
    events: EventReader,
    spec: ModelSpec,
    snapshot: Snapshot,
    tables: Mapping[str, ibis.Table],
    window: Window,
) -> pd.DataFrame:
    """The decision points of a window of decision times, as ``read_rows`` returns them.

    Labels that matured after the snapshot's instant are missing.

    Arguments:
        events, snapshot, tables: as for ``write_points``.
        spec: the declaration of the frame.
        window: decision times.
    """
    with working_folder("gauntlet-points-") as folder:
        path = folder / FRAME
        write_points(events, spec.frame, snapshot, tables, window.start, path)
        return read_rows(spec, path, window)
