"""The prediction log: an event stream like any other, one row for each answer of each version."""

from __future__ import annotations

from enum import StrEnum

from pipelines.spec.fields import ColumnType
from pipelines.spec.streams import FilesSource, Stream

LOG = "predictions"


class Arm(StrEnum):
    """In what part a version answered. The caller saw the answer of every arm but ``shadow``."""

    CHAMPION = "champion"  # outside of the experiment
    CONTROL = "control"  # the champion's version, beside the challenger in time and in size
    CHALLENGER = "challenger"
    SHADOW = "shadow"  # the challenger's answer to a request that another arm answered


def prediction_log(model: str) -> Stream:
    """The declaration of a model's log, which is kept under ``<store>/predictions/<model>``.

    ``decided_at`` is the decision point's instant and ``recorded_at`` when the store had the row.
    ``arm`` is one of ``Arm``. ``entity``, ``features`` and ``freshness`` are JSON objects, by name:
    the keys that were asked about, the features as served, null where one was missing, and the age
    in seconds of each online view that they came from, null where it had nothing. So one log
    outlives every change of features. A shadow answers a request that was answered before, so
    it takes both columns of ``id`` to tell an answer.
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
