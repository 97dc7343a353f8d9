"""Segments of entities, from what was known before the canary began."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from pipelines.core.arrays import Integers
from pipelines.core.names import internal
from pipelines.core.time import utc
from pipelines.outcomes.metric_rows import SegmentMembers
from pipelines.outcomes.metrics import MetricSource
from pipelines.predictions.segments import segment_text
from pipelines.spec.live_metrics import segment_stream
from pipelines.spec.model import ModelSpec
from pipelines.spec.rollout import Segments

if TYPE_CHECKING:
    import ibis
    import pandas as pd

Texts = npt.NDArray[np.object_]

_NEWEST, _FIRST, _TEXT = internal("newest"), internal("first"), internal("text")


def segment_members(
    source: MetricSource, entities: pd.DataFrame, code: Integers, began: datetime
) -> dict[str, SegmentMembers]:
    """Return the members of each declared segment, by the key of its guardrail.

    Arguments:
        source: metric source that includes the streams of ``segment_stream``.
        entities: keys of each entity, by code.
        code: codes of the entities to include.
        began: start of the canary.

    Returns:
        Flags in the order of ``code``. An entity without a known value is in no segment.
    """
    canary, belongs = source.rollout.canary, {}
    for part in canary.segments:
        where = part.column, segment_stream(source.spec, part)
        if where not in belongs:
            belongs[where] = segment_values(
                source.spec, part, source.tables, entities, source.as_of, began
            )
    members = [
        belongs[part.column, segment_stream(source.spec, part)][code] == value
        for part in canary.segments
        for value in part.values
    ]
    return {
        guard.key: SegmentMembers(guard.name, np.asarray(mask, np.bool_))
        for guard, mask in zip(canary.segment_guards, members, strict=True)
    }


def segment_values(
    spec: ModelSpec,
    part: Segments,
    tables: Mapping[str, ibis.Table],
    entities: pd.DataFrame,
    as_of: datetime,
    began: datetime,
) -> Texts:
    """Return each entity's value in a segment's column, as text.

    Arguments:
        spec: the declaration that contains the segment.
        part: the segment: a column and, if it is no key, its stream.
        tables: streams, including that of ``segment_stream``.
        entities: keys of each entity.
        as_of: rows with a later known time are not read.
        began: actual or hypothetical start of the canary.

    Returns:
        Values in the order of ``entities``; None where no value is known.
    """
    from pipelines.features.frame import as_known

    stream = segment_stream(spec, part)
    if stream is None:
        return _texts(entities[part.column])
    return _values_from_stream(as_known(tables[stream], as_of), part.column, entities, began)


def _values_from_stream(
    table: ibis.Table, column: str, entities: pd.DataFrame, began: datetime
) -> Texts:
    """Return each entity's value in the newest event that was known when the canary began.

    An entity without such an event has the value of the first event known after that. Later
    events may already depend on the arms.
    """
    keys, start = list(entities.columns), utc(began).replace(tzinfo=None)
    reported = table.filter(table[column].notnull())
    early = reported.known_time <= start
    found = (
        reported.group_by([*keys, column])
        .agg(
            reported.event_time.max(where=early).name(_NEWEST),
            reported.known_time.min(where=~early).name(_FIRST),
        )
        .to_pandas()
    )
    found[_TEXT] = _texts(found[column])
    # Break ties by text, so that the order is fixed.
    by_age = found.sort_values(
        [_NEWEST, _FIRST, _TEXT], ascending=[False, True, True], na_position="last"
    )
    one = by_age.drop_duplicates(keys)[[*keys, _TEXT]]
    return _texts(entities.merge(one, on=keys, how="left", sort=False)[_TEXT])


def _texts(values: pd.Series) -> Texts:
    """Return values as text; None where one is missing."""
    texts = values.map(segment_text, na_action="ignore").astype(object)
    return np.asarray(texts.where(texts.notna(), None).to_numpy(object))
