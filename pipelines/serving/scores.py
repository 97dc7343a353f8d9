"""Scores: batch predictions, as a stream for consumers."""

from __future__ import annotations

from datetime import timedelta

from pipelines.core.errors import SpecError
from pipelines.spec.fields import ColumnType
from pipelines.spec.model import ModelSpec
from pipelines.spec.points import GridPoints
from pipelines.spec.streams import FilesSource, Stream

SCORES = "scores"
_OWN = {
    "request_id": ColumnType.STRING,
    "prediction": ColumnType.FLOAT,
    "version": ColumnType.STRING,
    "arm": ColumnType.STRING,
    "valid_until": ColumnType.TIMESTAMP,
}
_TIMES = ("decided_at", "recorded_at")


def score_stream(spec: ModelSpec) -> Stream:
    """The declaration of a model's scores, which are stored under ``<store>/scores/<model>``.

    One row for each entity and scored instant: the entity's keys, the prediction of the entity's
    arm, and the end of its validity. ``request_id`` identifies the row of the prediction log.

    Raises:
        SpecError: when a key has the name of one of the other columns.
    """
    keys = {key: spec.point_stream.columns[key] for key in spec.points.keys}
    if taken := sorted(keys.keys() & {*_OWN, *_TIMES}):
        raise SpecError(
            "a key bears a name that scores give to another column",
            where=f"{spec.name}: points.keys",
            got=", ".join(taken),
            wanted=f"names other than {', '.join((*_OWN, *_TIMES))}",
        )
    return Stream(
        source=FilesSource(path=f"{SCORES}/{spec.name}"),
        event_time="decided_at",
        known_time="recorded_at",
        id=("request_id",),
        columns={**keys, **_OWN},
    )


def grid_of(spec: ModelSpec) -> GridPoints:
    """The grid on which a model is scored.

    Raises:
        SpecError: for a model with event points, which cannot be scored before the event.
    """
    if isinstance(spec.points, GridPoints):
        return spec.points
    raise SpecError(
        "a model whose decision points are events cannot be scored in a batch",
        where=f"{spec.name}: points",
        got="kind: event: a point exists only when an event comes",
        wanted="kind: grid",
        hint=f"ask it when the event comes: `gauntlet serve {spec.name}`",
    )


def validity(spec: ModelSpec) -> timedelta:
    """How long scores are valid: two steps of the grid, so that one run may be missed."""
    return 2 * grid_of(spec).every
