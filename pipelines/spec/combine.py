"""Combines two declarations in one frame, to score two models on the same rows.

When a recipe changes, champion and candidate need different features of the same decision points.
``combined_spec`` makes one declaration that has both: the candidate's points and label, its
features, and the champion's features next to them.

The candidate below sums two weeks of sales where the champion summed one. Both call the feature
``sold``. In the combined frame the champion's is ``champion_sold``, and ``other_names`` maps the
champion's own names to the columns of the frame:

    >>> def declaration(window: str) -> ModelSpec:
    ...     return ModelSpec.model_validate(
    ...         {
    ...             "name": "demand",
    ...             "description": "units sold in the next day",
    ...             "owner": "team@example.org",
    ...             "streams": {
    ...                 "sales": {
    ...                     "event_time": "sold_at",
    ...                     "known_time": "recorded_at",
    ...                     "columns": {"shop": "string", "units": "float"},
    ...                 }
    ...             },
    ...             "points": {
    ...                 "kind": "grid",
    ...                 "stream": "sales",
    ...                 "keys": ["shop"],
    ...                 "every": "1d",
    ...                 "active_for": "28d",
    ...             },
    ...             "label": {
    ...                 "kind": "aggregate",
    ...                 "stream": "sales",
    ...                 "by": ["shop"],
    ...                 "aggregate": "sum",
    ...                 "column": "units",
    ...                 "horizon": "1d",
    ...             },
    ...             "features": [
    ...                 {"kind": "attribute", "name": "shop"},
    ...                 {
    ...                     "kind": "window",
    ...                     "name": "sold",
    ...                     "stream": "sales",
    ...                     "by": ["shop"],
    ...                     "aggregate": "sum",
    ...                     "column": "units",
    ...                     "window": window,
    ...                 },
    ...             ],
    ...             "split": {"train": "28d", "recent": "14d"},
    ...             "estimator": {"path": "sklearn.linear_model.PoissonRegressor"},
    ...             "metric": {"name": "absolute_error", "minimum_effect": 0.1},
    ...         }
    ...     )
    >>> champion, candidate = declaration("7d"), declaration("14d")
    >>> combined_spec(candidate, champion).feature_names
    ('shop', 'sold', 'champion_sold')
    >>> other_names(candidate, champion)
    {'sold': 'champion_sold'}
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import ValidationError

from pipelines.core.errors import SpecError
from pipelines.core.names import unused
from pipelines.spec.features import AttributeFeature, ExpressionFeature, Feature
from pipelines.spec.model import ModelSpec
from pipelines.spec.streams import Stream

OTHER = "champion_"


def combined_spec(spec: ModelSpec, other: ModelSpec, prefix: str = OTHER) -> ModelSpec:
    """One declaration with the features of two declarations.

    Points, label and everything else are the first declaration's. A feature that both declare in
    the same way appears once. Any other feature of ``other`` is renamed ``<prefix><name>``, or to a
    similar name when that one is in use or too long.

    Arguments:
        spec: the declaration to extend.
        other: the declaration whose features are added.
        prefix: prefix of the names of added features.

    Raises:
        SpecError: when the two have different decision points, or read one stream differently.
    """
    if (other.points.kind, other.points.keys) != (spec.points.kind, spec.points.keys):
        raise SpecError(
            "champion and candidate answer for different decision points",
            where=f"{spec.name}: points",
            got=f"{spec.points.kind} of {list(spec.points.keys)}",
            wanted=f"{other.points.kind} of {list(other.points.keys)}, as the champion's",
            hint="declare a model for other decision points under another name",
        )
    names = other_names(spec, other, prefix)
    added = [_renamed(feature, names) for feature in other.features if feature.name in names]
    streams = _merged(other.streams, spec.streams)
    combined = spec.as_json() | {
        "streams": {name: stream.as_json() for name, stream in streams.items()},
        "features": [feature.as_json() for feature in (*spec.features, *added)],
    }
    try:
        return ModelSpec.model_validate(combined)
    except ValidationError as cause:
        raise SpecError(
            "champion and candidate cannot be compared in one frame",
            where=spec.name,
            got="; ".join(mistake["msg"] for mistake in cause.errors(include_url=False)),
            hint="declare the changed stream or column under another name",
        ) from cause


def common_spec(spec: ModelSpec, champion: ModelSpec | None) -> ModelSpec:
    """One declaration for a candidate and its champion; the candidate's if their recipes match.

    Arguments:
        spec: the candidate's declaration.
        champion: the champion's; ``None`` without a champion.

    Raises:
        SpecError: as ``combined_spec``.
    """
    if champion is None or champion.recipe == spec.recipe:
        return spec
    return combined_spec(spec, champion)


def other_names(spec: ModelSpec, other: ModelSpec, prefix: str = OTHER) -> dict[str, str]:
    """The columns in the combined frame of the renamed features of ``other``, by original name."""
    own = {feature.name for feature in other.features if feature not in spec.features}
    # An expression means something else where one of its operands does.
    own |= {
        feature.name
        for feature in other.features
        if isinstance(feature, ExpressionFeature) and not own.isdisjoint(feature.operands)
    }
    taken = [*spec.feature_names, *spec.points.keys]
    names: dict[str, str] = {}
    for feature in other.features:
        if feature.name in own:
            names[feature.name] = unused(prefix + feature.name, taken)
            taken.append(names[feature.name])
    return names


def _renamed(feature: Feature, names: Mapping[str, str]) -> Feature:
    """A feature under its other name, with the same value."""
    update: dict[str, Any] = {"name": names[feature.name]}
    if isinstance(feature, AttributeFeature):
        update["column"] = feature.source
    elif isinstance(feature, ExpressionFeature):
        update |= feature.renamed(names)
    return type(feature).model_validate(feature.as_json() | update)


def _merged(old: Mapping[str, Stream], new: Mapping[str, Stream]) -> dict[str, Stream]:
    """Both sets of streams; a shared stream has the columns of both declarations."""
    merged = {**old, **new}
    for name in old.keys() & new.keys():
        before, after = old[name], new[name]
        # The order of columns is part of a snapshot's id.
        columns = {
            **after.columns,
            **{c: k for c, k in before.columns.items() if c not in after.columns},
        }
        defaults = {**before.defaults, **after.defaults}
        same = before.model_copy(update={"columns": columns, "id": after.id, "defaults": defaults})
        wanted = after.model_copy(update={"columns": columns, "defaults": defaults})
        clash = [c for c in before.columns if columns[c] is not before.columns[c]]
        if same != wanted or clash:
            raise SpecError(
                "champion and candidate read one stream in different ways",
                where=f"streams.{name}",
                got=f"other times, source or column types than the champion's {sorted(clash)}",
                wanted="the same source, times and column types, so that both see the same rows",
                hint="declare the changed stream under another name",
            )
        merged[name] = wanted
    return merged
