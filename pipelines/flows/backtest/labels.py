"""Labels as they were known at each Monday, for streams whose events may arrive late.

A label is final when it matures if each event of its stream was known within the declared delay.
Otherwise a later instant knows events that an earlier one did not, and then the labels of each
Monday are computed as of that Monday. Features need none of this: they are as of their own point.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable
from datetime import datetime
from typing import TYPE_CHECKING

from pipelines.core.time import epoch_us
from pipelines.data.events import Progress
from pipelines.data.reader import EventReader
from pipelines.data.snapshot import Snapshot
from pipelines.spec.features import AttributeFeature
from pipelines.spec.model import ModelSpec
from pipelines.spec.points import OwnRowLabel

if TYPE_CHECKING:
    import ibis
    import pandas as pd

LABEL, POSITION = "label", ":position"


def labels_that_changed(
    events: EventReader,
    spec: ModelSpec,
    snapshot: Snapshot,
    rows: pd.DataFrame,
    mondays: Iterable[datetime],
    progress: Progress,
) -> dict[datetime, pd.Series]:
    """For each Monday the labels that had matured by then and were not yet what they are now.

    Arguments:
        events: reads the streams.
        spec: the declaration.
        snapshot: the events of the whole span.
        rows: the frame of the whole span, numbered from zero: keys, times, label, and the
            attributes that tell rows of equal keys and time apart.
        mondays: the instants at which labels are looked at.
        progress: called with a short message for each Monday that is computed.

    Returns:
        By Monday the earlier labels, by position in ``rows``; empty where all were final.
    """
    if isinstance(spec.label, OwnRowLabel):
        return {}
    found = {}
    with events.tables(snapshot, spec.streams) as tables:
        if not _arrives_late(spec, tables):
            return {}
        for at in mondays:
            progress(f"labels as of {at.date()}")
            earlier = _differences(spec, tables, rows, at)
            if len(earlier):
                found[at] = earlier
    return found


def separating_attributes(spec: ModelSpec) -> tuple[str, ...]:
    """The attributes that tell rows of equal keys and time apart, where labels can change."""
    if isinstance(spec.label, OwnRowLabel):
        return ()
    return tuple(one.name for one in spec.features if isinstance(one, AttributeFeature))


def _arrives_late(spec: ModelSpec, tables: dict[str, ibis.Table]) -> bool:
    """Whether an event of the label's stream was known later than its label's delay allows."""
    from pipelines.features.engine.time_grid import micros, span

    label = spec.label
    if isinstance(label, OwnRowLabel):
        return False
    table = tables[label.stream]
    late = micros(table.known_time) - micros(table.event_time) > span(label.delay)
    return bool(table.filter(late).limit(1).count().execute())


def _differences(
    spec: ModelSpec, tables: dict[str, ibis.Table], rows: pd.DataFrame, at: datetime
) -> pd.Series:
    """Earlier labels of matured rows that differ from those in ``rows``, by position."""
    import pandas as pd

    from pipelines.features.frame import build_frame

    own = tuple(one for one in spec.features if isinstance(one, AttributeFeature))
    only_label = dataclasses.replace(spec.frame, features=own, serving=None)
    then = build_frame(only_label, tables, at).execute()
    keys = [*dict.fromkeys([*spec.points.keys, "decision_time", *(one.name for one in own)])]
    matured = rows[pd.to_datetime(rows["matured_at"]).astype("int64") <= _like(rows, at)]
    joined = (
        matured[keys]
        .reset_index(names=POSITION)
        .merge(then[[*keys, LABEL]].drop_duplicates(keys), on=keys, how="left")
        .set_index(POSITION)[LABEL]
    )
    now = matured[LABEL]
    same = (joined == now) | (joined.isna() & now.isna())
    return joined[~same.fillna(False).astype(bool)]


def _like(rows: pd.DataFrame, at: datetime) -> int:
    """An instant in the unit of the frame's times."""
    unit = {"us": 1, "ns": 1000}[rows["matured_at"].dt.unit]
    return epoch_us(at) * unit
