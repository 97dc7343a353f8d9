"""The data of a run: its snapshot of the events, and its frame of decision points."""

from __future__ import annotations

from pipelines.data.snapshot import Snapshot
from pipelines.flows.frames import Frame, write_frame
from pipelines.flows.retrain.run import Run


def take_snapshot(run: Run) -> Snapshot:
    """The events that were known as of the run's instant, written to ``snapshot.json``."""
    return run.workspace.once(
        "snapshot",
        Snapshot,
        lambda: run.events.snapshot(run.common.streams, run.request.as_of),
    )


def build_features(run: Run, snapshot: Snapshot) -> Frame:
    """The frame of decision points, written to ``features.json`` and ``frame.parquet``."""
    return run.workspace.once(
        "features",
        Frame,
        lambda: write_frame(
            run.events, run.common, snapshot, run.plan, run.workspace, start=run.frame_start
        ),
    )
