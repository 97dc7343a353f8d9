"""Decision points and features of all weeks of a backfill, computed in one pass."""

from __future__ import annotations

from collections.abc import Sequence

from pipelines.core.files import working_folder
from pipelines.core.time import Window
from pipelines.flows.frames import FRAME, frame_rows, keep_newest_weeks, write_points
from pipelines.flows.retrain.request import Request
from pipelines.flows.retrain.run import RetrainCollaborators, requested_spec
from pipelines.training.split import split_plan


def compute_features(requests: Sequence[Request], collaborators: RetrainCollaborators) -> None:
    """Compute the features of all weeks; they are kept, and the retrainings find them.

    The points of each week's newest weeks are kept from those of the last week. They are not where
    a label was another one at that week, or if the declaration excludes rows.

    Arguments:
        requests: the retrainings, oldest first.
        collaborators: what they work with.

    Raises:
        GauntletError: as the retraining of the last week would.
    """
    from pipelines.flows.backtest.labels import labels_that_changed, separating_attributes

    dates, progress = [one.as_of for one in requests], collaborators.progress
    spec = requested_spec(requests[-1], collaborators.load_spec, collaborators.ledger)
    events = collaborators.open_events(spec)
    span = Window(split_plan(spec, dates[0]).train.start, dates[-1])
    with working_folder("gauntlet-weeks-") as folder, events.shared_connection():
        # Rows may be added to an old day at any time. These snapshots are older than the frame, so
        # each of their rows is in it. Labels of excluded rows are not compared.
        earlier = [] if spec.split.exclude else dates[:-1]
        known = [events.snapshot(spec.streams, as_of, keep=False) for as_of in earlier]
        snapshot = events.snapshot(spec.streams, dates[-1])
        with events.tables(snapshot, spec.streams) as tables:
            write_points(events, spec.frame, snapshot, tables, span.start, folder / FRAME)
            rows = frame_rows(spec, folder / FRAME, span, separating_attributes(spec)).points
            changed = labels_that_changed(events, spec, snapshot, rows, dates, progress)
            for one in known:
                if one.as_of not in changed:
                    progress(f"points as of {one.as_of.date()}")
                    frame = (tables, span.start, folder / FRAME)
                    keep_newest_weeks(events, spec.frame, one, *frame)
