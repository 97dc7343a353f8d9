"""Generates a Feast feature repository from declarations, as text files.

Written for Feast 0.67, which is not a dependency because it requires pandas below 3. The
repository is Python code that ``feast apply`` runs in a separate environment.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from datetime import timedelta
from typing import Any

from pipelines.core.errors import SpecError
from pipelines.core.time import duration_text
from pipelines.spec.features import WindowFeature
from pipelines.spec.fields import ColumnType
from pipelines.spec.model import ModelSpec
from pipelines.spec.views import FeatureView, definition_of, feature_views

EVENT_TIME, WRITE_TIME = "event_timestamp", "created_timestamp"
MARK = "Written by `gauntlet features export --feast`"
README = "README.md"
_TYPES = {
    ColumnType.STRING: ("String", "STRING"),
    ColumnType.INTEGER: ("Int64", "INT64"),
    ColumnType.FLOAT: ("Float64", "DOUBLE"),
    ColumnType.BOOLEAN: ("Bool", "BOOL"),
    ColumnType.TIMESTAMP: ("UnixTimestamp", "UNIX_TIMESTAMP"),
}
_AGGREGATES = {
    "count": ColumnType.INTEGER,
    "distinct": ColumnType.INTEGER,
    "sum": ColumnType.FLOAT,
    "mean": ColumnType.FLOAT,
    "time_since": ColumnType.FLOAT,
}
_STORE = """\
# {mark}; an export replaces it.
project: gauntlet
provider: local
registry: data/registry.db
online_store:
  type: sqlite
  path: data/online_store.db
offline_store:
  type: file
entity_key_serialization_version: 3
"""
_README = """\
# Features for Feast

{mark} from the declarations of {models}. Do not edit: an export replaces this folder.

    feast apply                              # entities, feature views, feature services
    feast materialize-incremental <now>      # when the export had --values

Feast wants pandas below 3: give it an environment of its own. Times are UTC. `time_since` is in
days as of the materialization, where Gauntlet counts it up to the moment of the request. A view
without a ttl of its own is one that Gauntlet computes when it is asked, so it is not stored online.
{notes}"""


def feast_repository(specs: Sequence[ModelSpec]) -> dict[str, str]:
    """The files of the repository, by name.

    Arguments:
        specs: declarations; each becomes a feature service with its own feature views.

    Raises:
        SpecError: when two views would have the same name, or a feature a name that Feast reserves.
    """
    entities = _entities(specs)
    names = [view_name(view) for spec in specs for view in feature_views(spec)]
    doubled = sorted({name for name in names if names.count(name) > 1})
    if doubled:
        raise SpecError(
            "two feature views bear one name in Feast", got=f"{doubled}", hint="rename a model"
        )
    blocks = ["\n".join(_imports(specs, entities))]
    blocks += [
        f"{variable} = Entity(name={_text(name)}, join_keys=[{_text(column)}], "
        f"value_type=ValueType.{_TYPES[kind][1]})"
        for (column, kind), (name, variable) in entities.items()
    ]
    for spec in specs:
        blocks += [_view(spec, view, entities) for view in feature_views(spec)]
        blocks.append(_service(spec))
    return {
        README: _README.format(
            mark=MARK, models=", ".join(spec.name for spec in specs), notes=_requested(specs)
        ),
        "feature_store.yaml": _STORE.format(mark=MARK),
        "features.py": "\n\n".join(blocks) + "\n",
        ".feastignore": "data\n",
    }


def view_name(view: FeatureView) -> str:
    """A view's name in Feast, where all models share one namespace."""
    return f"{view.model}_{view.name}"


def values_file(view: FeatureView) -> str:
    """Path of the view's values, relative to the repository."""
    return f"data/{view_name(view)}.parquet"


def feature_type(spec: ModelSpec, feature: WindowFeature) -> ColumnType:
    """The type of a feature's values."""
    return _AGGREGATES.get(feature.aggregate) or spec.frame.type_of(feature)


Entities = Mapping[tuple[str, ColumnType], tuple[str, str]]


def _entities(specs: Sequence[ModelSpec]) -> Entities:
    """Entities by column and type. Feast's entities have one column each; the name includes the
    type where models declare different types."""
    found = dict.fromkeys(
        (column, spec.streams[view.stream].columns[column])
        for spec in specs
        for view in feature_views(spec)
        for column in view.entity
    )
    columns = [column for column, _ in found]
    names = {
        key: key[0] if columns.count(key[0]) == 1 else f"{key[0]}_{key[1].value}" for key in found
    }
    return {key: (name, f"entity_{name}") for key, name in names.items()}


def _imports(specs: Sequence[ModelSpec], entities: Entities) -> Iterator[str]:
    types = {_TYPES[kind][0] for _, kind in entities} | {
        _TYPES[feature_type(spec, feature)][0]
        for spec in specs
        for view in feature_views(spec)
        for feature in view.features
    }
    yield f'"""{MARK}; an export replaces it."""\n'
    yield "from datetime import timedelta\n"
    yield "from feast import Entity, FeatureService, FeatureView, Field, FileSource, ValueType"
    if types:
        yield f"from feast.types import {', '.join(sorted(types))}"


def _view(spec: ModelSpec, view: FeatureView, entities: Entities) -> str:
    columns = spec.streams[view.stream].columns
    name, cadence = view_name(view), view.cadence
    tags = {"model": spec.name, "stream": view.stream}
    if cadence is not None:
        tags |= {
            "every": duration_text(cadence.every),
            "offset": duration_text(cadence.offset),
            "delay": duration_text(cadence.delay),
        }
    fields = [f"Field(name={_text(c)}, dtype={_TYPES[columns[c]][0]})" for c in view.entity]
    fields += [_field(spec, feature) for feature in view.features]
    ttl = cadence.lifetime if cadence else timedelta(0)
    lines = [
        f"view_{name} = FeatureView(",
        f"    name={_text(name)},",
        f"    entities=[{', '.join(entities[c, columns[c]][1] for c in view.entity)}],",
        f"    ttl=timedelta(seconds={ttl.total_seconds():.0f}),",
        f"    online={cadence is not None},",
        "    schema=[",
        *(f"        {field}," for field in fields),
        "    ],",
        "    source=FileSource(",
        f"        name={_text(name + '_values')},",
        f"        path={_text(values_file(view))},",
        f"        timestamp_field={_text(EVENT_TIME)},",
        f"        created_timestamp_column={_text(WRITE_TIME)},",
        "    ),",
        f"    owner={_text(spec.owner)},",
        f"    tags={_text(tags)},",
        ")",
    ]
    return "\n".join(lines)


def _field(spec: ModelSpec, feature: WindowFeature) -> str:
    if feature.name in (EVENT_TIME, WRITE_TIME):
        raise SpecError(
            "Feast keeps this name to itself",
            where=f"{spec.name}: features.{feature.name}",
            hint="give the feature another name",
        )
    return (
        f"Field(name={_text(feature.name)}, dtype={_TYPES[feature_type(spec, feature)][0]}, "
        f"description={_text(feature.in_words)}, "
        f"tags={_text({'definition': definition_of(spec, feature)})})"
    )


def _service(spec: ModelSpec) -> str:
    return "\n".join(
        [
            *(f"# {line}" for line in _request_lines(spec)),
            f"service_{spec.name} = FeatureService(",
            f"    name={_text(spec.name)},",
            "    features=[",
            *(f"        view_{view_name(view)}," for view in feature_views(spec)),
            "    ],",
            f"    description={_text(spec.description)},",
            f"    owner={_text(spec.owner)},",
            f"    tags={_text({'recipe': spec.recipe[:16]})},",
            ")",
        ]
    )


def _request_lines(spec: ModelSpec) -> Iterator[str]:
    """The columns that a predict request must contain because no store has them."""
    for feature in spec.features:
        if not isinstance(feature, WindowFeature):
            yield f"on demand: {feature.name} is {feature.in_words}"


def _requested(specs: Sequence[ModelSpec]) -> str:
    lines = [f"- {spec.name}: {line}" for spec in specs for line in _request_lines(spec)]
    return "\n".join(["\nNot stored, but part of a request:\n", *lines, ""]) if lines else ""


def _text(value: str | dict[str, Any]) -> str:
    """A text, or a mapping of texts, as a Python literal; JSON has the same syntax for these."""
    return json.dumps(value, ensure_ascii=False)
