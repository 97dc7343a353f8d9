"""Comparison of a feature view in the online store with values recomputed from the events."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from pipelines.core.arrays import Mask
from pipelines.core.errors import SpecError
from pipelines.core.time import MICROSECOND, epoch_us
from pipelines.features.online.cadence import served_at
from pipelines.features.online.lookup import look_up, served_value
from pipelines.features.online.store import OnlineStore, ViewState
from pipelines.features.online.views import view_rows
from pipelines.gates.availability.parity_cause import ComparedValues, LikelyCause, likely_cause
from pipelines.gates.availability.value_comparison import is_missing, values_equal
from pipelines.spec.features import Feature, WindowFeature
from pipelines.spec.model import ModelSpec
from pipelines.spec.views import FeatureView, definition_of

if TYPE_CHECKING:
    import ibis

POINTS = "points"
Entity = tuple[Any, ...]


@dataclass(frozen=True)
class FeatureLookup:
    """Lookup of one feature at recent points.

    Arguments:
        feature: the feature.
        offline: number of points with a value in the events.
        online: number of these points with a value in the store as well.
        entities: number of distinct entities with a value in the events.
        unequal: number of points whose two values differ.
        likely: likely cause of the differences, if there is one.
        stored: whether the store has the definition of the feature.
        absent_entities: entities with a value in the events and none in the store.
    """

    feature: WindowFeature
    offline: int
    online: int
    entities: int
    unequal: int
    likely: LikelyCause | None
    stored: bool
    absent_entities: frozenset[Entity]


def look_up_view(
    spec: ModelSpec,
    view: FeatureView,
    store: OnlineStore,
    streams: Mapping[str, ibis.Table],
    points: pd.DataFrame,
    as_of: datetime,
) -> tuple[FeatureLookup, ...]:
    """Look up every feature of a view at some points, and recompute it from the events.

    Both are as of the store's instant, so that they refer to the same events.

    Arguments:
        spec: the declaration.
        view: one of its views that is kept in the store.
        store: the online store of production.
        streams: canonical tables of the events known by ``as_of``.
        points: entities of the view, with the number of points of each in the column ``points``.
        as_of: instant of the lookup; values older than the view's ttl are not served.

    Raises:
        SpecError: the view is never stored.
        Unavailable: the store does not respond.
    """
    state = store.state(f"{view.model}.{view.name}")
    entity = list(view.entity)
    requested = _counted(points, entity)
    records = [dict(zip(entity, key, strict=True)) for key in entities_of(requested, entity)]
    served = look_up(spec, store, records, as_of).values
    at = _instant(view, state, as_of)
    there = view_rows(spec, view, {view.stream: streams[view.stream]}, at).to_pandas()
    place = {key: row for row, key in enumerate(entities_of(there, entity))}
    rows = [place.get(key) for key in entities_of(requested, entity)]
    found = []
    for feature in view.features:
        column = there[definition_of(spec, feature)].tolist()
        stored = [None if row is None or pd.isna(column[row]) else column[row] for row in rows]
        computed = [served_value(feature, value, at.replace(tzinfo=None)) for value in stored]
        given = served[feature.name]
        whose = requested[[*entity, POINTS]]
        found.append(_compare(spec, feature, state, whose, given, computed))
    return tuple(found)


def is_present(feature: Feature, value: Any) -> bool:
    """Whether a value is present; a count of 0 is not, because unknown entities have it as well."""
    counts = isinstance(feature, WindowFeature) and feature.aggregate in ("count", "distinct")
    return not is_missing(value) and not (counts and value == 0)


def are_present(feature: Feature, column: pd.Series) -> Mask:
    """``is_present`` of each value of a column, shape (rows,)."""
    known = np.asarray(column.notna(), dtype=bool)
    return known if is_present(feature, 0) else known & np.asarray(column != 0, dtype=bool)


def _instant(view: FeatureView, state: ViewState | None, as_of: datetime) -> datetime:
    if state is not None:
        return min(state.as_of, as_of)
    if view.cadence is None:
        raise SpecError(
            "a view that is never stored cannot be looked up", where=f"{view.model}.{view.name}"
        )
    return as_of - (epoch_us(as_of) - int(served_at(epoch_us(as_of), view.cadence))) * MICROSECOND


def _counted(points: pd.DataFrame, entity: list[str]) -> pd.DataFrame:
    """The distinct entities with the number of points of each."""
    if not entity:
        return pd.DataFrame({POINTS: [points[POINTS].sum()]})
    return points.groupby(entity, dropna=False, sort=True)[POINTS].sum().reset_index()


def entities_of(rows: pd.DataFrame, columns: Sequence[str]) -> list[Entity]:
    """The values of some columns of each row; without columns, one empty tuple for each row."""
    if not columns:
        return [()] * len(rows)
    return list(rows[list(columns)].itertuples(index=False, name=None))


def _compare(
    spec: ModelSpec,
    feature: WindowFeature,
    state: ViewState | None,
    requested: pd.DataFrame,
    given: list[Any],
    computed: list[Any],
) -> FeatureLookup:
    weight = requested[POINTS].to_numpy(np.int64)
    offline = np.array([is_present(feature, value) for value in computed], dtype=bool)
    online = offline & np.array([is_present(feature, value) for value in given], dtype=bool)
    pairs = zip(given, computed, strict=True)
    unequal = online & ~np.array([values_equal(*pair) for pair in pairs], dtype=bool)
    both = np.flatnonzero(online)
    compared = ComparedValues(
        feature=feature.name,
        served=[given[at] for at in both],
        computed=[computed[at] for at in both],
        unequal=unequal[online],
        points=requested[list(feature.by)].iloc[both],
        computed_at=np.zeros(len(both), np.int64),
        step=timedelta(days=1),
    )
    keys = entities_of(requested, list(feature.by))
    return FeatureLookup(
        feature=feature,
        offline=int(weight[offline].sum()),
        online=int(weight[online].sum()),
        entities=int(offline.sum()),
        unequal=int(weight[unequal].sum()),
        likely=likely_cause(compared, None),
        stored=state is not None and definition_of(spec, feature) in state.definitions,
        absent_entities=frozenset(keys[at] for at in np.flatnonzero(offline & ~online)),
    )
