"""The prediction log: an event stream with one row for each answer of each version."""

from __future__ import annotations

from enum import StrEnum

from pipelines.spec.fields import ColumnType
from pipelines.spec.streams import FilesSource, Stream

LOG = "predictions"


class Arm(StrEnum):
    """The arm of an answer. The caller receives the answer of every arm except ``shadow``."""

    CHAMPION = "champion"  # outside the comparison
    CONTROL = "control"  # the champion's version, at the same time and size as the challenger
    CHALLENGER = "challenger"
    SHADOW = "shadow"  # the challenger's answer to a request that another arm answered


def prediction_log(model: str) -> Stream:
    """The declaration of a model's log, which is stored under ``<store>/predictions/<model>``.

    ``decided_at`` is the decision point's instant and ``recorded_at`` the time at which the store
    had the row. ``arm`` is one of ``Arm``. ``entity``, ``features`` and ``freshness`` are JSON
    objects by name: the requested keys, the features as served (null if missing), and the age in
    seconds of each online view (null if it had no values). So changes of features do not change
    the log's columns. A shadow answers a request that another arm also answers, so both columns of
    ``id`` are needed to identify an answer.
    """
    return Stream(
        source=FilesSource(path=f"{LOG}/{model}"),
        event_time="decided_at",
        known_time="recorded_at",
        id=("request_id", "version"),
        columns={
            "request_id": ColumnType.STRING,
            "version": ColumnType.STRING,
            "arm": ColumnType.STRING,
            "entity": ColumnType.STRING,
            "features": ColumnType.STRING,
            "freshness": ColumnType.STRING,
            "prediction": ColumnType.FLOAT,
            "latency_ms": ColumnType.FLOAT,
        },
    )
