"""Reads the prediction log of a model."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pipelines.core.time import Window
from pipelines.data.events import NoEvents
from pipelines.data.reader import EventReader
from pipelines.spec.predictions import LOG, prediction_log

if TYPE_CHECKING:
    import pandas as pd


def read_log(events: EventReader, model: str, window: Window) -> pd.DataFrame | None:
    """Rows of a model's prediction log with decision times in a window.

    Arguments:
        events: reader of the store that holds the log.
        model: name of the model.
        window: window of decision times. Rows that became known after its end are left out.

    Returns:
        The columns of ``prediction_log`` with ``event_time`` and ``known_time``, ordered by
        ``event_time``, ``request_id`` and ``version``; ``None`` when nothing was logged.

    Raises:
        DataError: when the log does not match its declaration.
    """
    declared = {LOG: prediction_log(model)}
    try:
        snapshot = events.snapshot(declared, window.end)
    except NoEvents:
        return None
    start, end = (bound.replace(tzinfo=None) for bound in (window.start, window.end))
    with events.tables(snapshot, declared) as tables:
        log = tables[LOG]
        wanted = log.filter((log.event_time >= start) & (log.event_time < end))
        rows: pd.DataFrame = wanted.order_by(["event_time", "request_id", "version"]).to_pandas()
    return rows
