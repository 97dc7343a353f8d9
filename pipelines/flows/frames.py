"""Frames of decision points, from a snapshot to Parquet, and back as rows for scikit-learn."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipelines.core.files import working_folder
from pipelines.core.findings import Finding
from pipelines.core.records import Record
from pipelines.core.time import Window
from pipelines.data.paths import read_parquet, write_parquet
from pipelines.data.reader import EventReader
from pipelines.data.snapshot import Snapshot
from pipelines.flows.workspace import Workspace
from pipelines.spec.model import ModelSpec
from pipelines.spec.training import Exclusion
from pipelines.training.split import SplitPlan

if TYPE_CHECKING:
    import ibis
    import pandas as pd

FRAME = "frame.parquet"
PROBED_POINTS = 32
PROBE_SEED = 20260101


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
) -> Frame:
    """Build a frame as of the plan's instant, probe it for leaks, and write it as Parquet."""
    from pipelines.features.frame import build_frame
    from pipelines.gates.availability.leak_probe import probe_leaks

    start = plan.train.start.replace(tzinfo=None)
    with events.tables(snapshot, spec.streams) as tables:
        frame = build_frame(spec.frame, tables, plan.as_of)
        wanted = frame.filter(frame.decision_time >= start)
        path = workspace.write(FRAME, lambda draft: write_parquet(wanted, draft))
        written = read_parquet(wanted.get_backend(), path)
        findings = probe_leaks(
            spec.frame, tables, written, plan.as_of, sample=PROBED_POINTS, seed=PROBE_SEED
        )
        rows = int(written.count().execute())
    return Frame(plan=plan, rows=rows, findings=tuple(findings))


def read_rows(spec: ModelSpec, path: Path, window: Window) -> pd.DataFrame:
    """The frame's rows in a window of decision times, ordered by time and keys.

    Rows that the declaration excludes are left out.
    """
    import pandas as pd

    start, end = (bound.replace(tzinfo=None) for bound in (window.start, window.end))
    rows = pd.read_parquet(
        path, filters=[("decision_time", ">=", start), ("decision_time", "<", end)]
    )
    for stretch in spec.split.exclude:
        rows = rows[~touches(stretch, rows["decision_time"], rows["matured_at"])]
    order = ["decision_time", *spec.points.keys, *spec.feature_names]
    return rows.sort_values(list(dict.fromkeys(order)), kind="stable", ignore_index=True)


def window_rows(
    spec: ModelSpec, tables: Mapping[str, ibis.Table], as_of: datetime, window: Window
) -> pd.DataFrame:
    """The decision points of a window of decision times, without what the declaration excludes.

    Arguments:
        spec: the declaration of the frame.
        tables: canonical rows of every stream, as of ``as_of``.
        as_of: labels that matured later are missing.
        window: decision times; ordered as by ``read_rows``.
    """
    from pipelines.features.frame import build_frame

    start, end = (bound.replace(tzinfo=None) for bound in (window.start, window.end))
    frame = build_frame(spec.frame, tables, as_of)
    with working_folder("gauntlet-points-") as folder:
        path = folder / FRAME
        inside = (frame.decision_time >= start) & (frame.decision_time < end)
        write_parquet(frame.filter(inside), path)
        return read_rows(spec, path, window)


def touches(stretch: Exclusion, decision_time: Any, matured_at: Any) -> Any:
    """Which points lie in a stretch or have a label from it; for columns of pandas or Ibis."""
    start, end = (bound.replace(tzinfo=None) for bound in (stretch.start, stretch.end))
    return (decision_time < end) & (matured_at > start)
