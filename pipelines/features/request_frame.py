"""The frame of logged requests, at the exact instants of the requests.

Requests come at any time, not at the instants of a grid. So each request is treated as a decision
point and uses the same feature engine.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime

import ibis
from ibis import _

from pipelines.core.names import unused
from pipelines.features.frame import build_frame
from pipelines.spec.frame import FrameSpec
from pipelines.spec.points import EventPoints, OwnRowLabel
from pipelines.spec.streams import FilesSource, Stream

REQUESTS = "requests"  # name of the stream; with a number, if a declared stream has it
_FOUND = ":found"


def logged_frame(
    spec: FrameSpec,
    streams: Mapping[str, ibis.Table],
    requests: ibis.Table,
    as_of: datetime,
) -> ibis.Table:
    """Features and label of each request, as ``build_frame`` gives them for decision points.

    Arguments:
        spec: the declaration.
        streams: canonical tables of its streams.
        requests: the columns of ``spec.request_columns()`` and ``decision_time``, timestamp, UTC.
        as_of: later requests are left out.

    Returns:
        The frame's columns, one row for each distinct request. The label of an ``own_row``
        declaration is that of the entity's last point that is not after the request.

    Raises:
        SpecError: as ``build_frame``.
    """
    requested = requests.distinct().mutate(event_time=_.decision_time, known_time=_.decision_time)
    name = unused(REQUESTS, spec.streams)
    stream = Stream(
        source=FilesSource(path=name),
        event_time="decision_time",
        known_time="decision_time",
        columns=spec.request_columns(),
    )
    declared = replace(
        spec,
        points=EventPoints(kind="event", stream=name, keys=spec.points.keys),
        streams={**spec.streams, name: stream},
    )
    tables = {**streams, name: requested.drop("decision_time")}
    if not isinstance(spec.label, OwnRowLabel):
        return build_frame(declared, tables, as_of)
    # The label is in the point's own row: take features from requests and labels from points.
    features = build_frame(replace(declared, label=None), tables, as_of)
    points = build_frame(spec, streams, as_of).select(
        *spec.points.keys, "decision_time", "label", "matured_at"
    )
    keys = list(spec.points.keys)
    joined = features.asof_join(points, "decision_time", predicates=keys, rname=_FOUND + "{name}")
    return joined.drop(*(name for name in joined.columns if name.startswith(_FOUND)))
