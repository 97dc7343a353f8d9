"""The decision points of a backtest or of a replay, read from their frame as they are needed."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from pipelines.core.time import Window
from pipelines.data.events import Progress
from pipelines.data.reader import EventReader
from pipelines.data.snapshot import Snapshot
from pipelines.flows.backtest.labels import labels_that_changed, separating_attributes
from pipelines.flows.frames import frame_rows
from pipelines.spec.model import ModelSpec

if TYPE_CHECKING:
    from pipelines.backtest.history import History


def frame_history(
    events: EventReader,
    spec: ModelSpec,
    snapshot: Snapshot,
    path: Path,
    window: Window,
    instants: Sequence[datetime],
    progress: Progress,
) -> History:
    """The rows of a frame, with the labels that differed at some instants from the last ones.

    Arguments:
        events: reads the streams.
        spec: the declaration.
        snapshot: the events of the whole frame.
        path: the frame; it has to stay while the history is in use.
        window: decision times.
        instants: at which labels are looked at.
        progress: called with a short message for each that is computed.
    """
    from pipelines.backtest.history import History

    below = [name for name in spec.feature_names if name == spec.metric.denominator]
    stored = frame_rows(spec, path, window, [*below, *separating_attributes(spec)])
    changed = labels_that_changed(events, spec, snapshot, stored.points, instants, progress)
    return History(spec, stored.points, changed, stored.read)
