"""Which segment an entity belongs to: what was known of it before it saw anything of its arm."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from pipelines.core.arrays import Integers
from pipelines.core.time import utc
from pipelines.outcomes.metric_rows import SegmentMembers
from pipelines.outcomes.metrics import MetricSource
from pipelines.spec.live_metrics import segment_stream
from pipelines.spec.model import ModelSpec
from pipelines.spec.rollout import Segments

if TYPE_CHECKING:
    import ibis
    import pandas as pd

Texts = npt.NDArray[np.object_]


def segment_members(
    source: MetricSource, entities: pd.DataFrame, code: Integers, began: datetime
) -> dict[str, SegmentMembers]:
    """Whom each declared segment is made of, under the name of its guardrail.

    Arguments:
        source: with the streams of ``segment_stream``.
        entities: the keys of each entity, by code.
        code: of the entities that count.
        began: when the canary did.

    Returns:
        Flags in the order of ``code``. An entity of which nothing is known is in no segment.
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
        guard.key: SegmentMembers(guard.name, np.asarray(whom, np.bool_))
        for guard, whom in zip(canary.segment_guards, members, strict=True)
    }


def segment_values(
    spec: ModelSpec,
    part: Segments,
    tables: Mapping[str, ibis.Table],
    entities: pd.DataFrame,
    as_of: datetime,
    began: datetime,
) -> Texts:
    """What each entity has in a segment's column, as text; None where nothing is known.

    Arguments:
        spec: the declaration around the segment.
        part: which column, of which stream.
        tables: streams, that of ``segment_stream`` among them.
        entities: the keys of each entity.
        as_of: rows known later are not read.
        began: when the canary did, or would.

    Returns:
        In the order of ``entities``.
    """
    from pipelines.features.frame import as_known

    stream = segment_stream(spec, part)
    if stream is None:
        return np.asarray(entities[part.column].map(_text).to_numpy(object))
    return _values_from_stream(as_known(tables[stream], as_of), part.column, entities, began)


def _values_from_stream(
    table: ibis.Table, column: str, entities: pd.DataFrame, began: datetime
) -> Texts:
    """As the newest event says that was known when the canary began, or else the first one known.

    Later events could have been made by what the arms did.
    """
    keys, start = list(entities.columns), utc(began).replace(tzinfo=None)
    said = table.filter(table[column].notnull())
    early = said.known_time <= start
    found = (
        said.group_by([*keys, column])
        .agg(newest=said.event_time.max(where=early), first=said.known_time.min(where=~early))
        .to_pandas()
    )
    found["text"] = found[column].map(_text)
    # If two are as old as each other, any fixed order will do.
    by_age = found.sort_values(
        ["newest", "first", "text"], ascending=[False, True, True], na_position="last"
    )
    one = by_age.drop_duplicates(keys)[[*keys, "text"]]
    texts = entities.merge(one, on=keys, how="left", sort=False)["text"].astype(object)
    return np.asarray(texts.where(texts.notna(), None).to_numpy(object))


def _text(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool | np.bool_) else str(value)
