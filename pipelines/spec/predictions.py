"""The prediction log: an event stream like any other, one row for each answer that was given."""

from __future__ import annotations

from pipelines.spec.fields import ColumnType
from pipelines.spec.streams import FilesSource, Stream

LOG = "predictions"


def prediction_log(model: str) -> Stream:
    """The declaration of a model's log, which is kept under ``<store>/predictions/<model>``.

    ``decided_at`` is the decision point's instant and ``recorded_at`` when the row was written.
    ``entity`` and ``features`` are JSON objects, by name: the keys that were asked about, and the
    features as served, null where one was missing. So one log outlives every change of features.
    """
    return Stream(
        source=FilesSource(path=f"{LOG}/{model}"),
        event_time="decided_at",
        known_time="recorded_at",
        id=("request_id",),
        columns={
            "request_id": ColumnType.STRING,
            "version": ColumnType.STRING,
            "entity": ColumnType.STRING,
            "features": ColumnType.STRING,
            "prediction": ColumnType.FLOAT,
        },
    )
