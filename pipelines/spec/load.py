"""Reads ``models/<name>.yaml`` and says for every mistake in it: file, line, key, got, wanted."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml
from pydantic import ValidationError

from pipelines.core.errors import SpecError
from pipelines.spec.model import ModelSpec
from pipelines.spec.shared import Include, entry, expand, place_of, read_nodes, value_of


def load_model(path: Path) -> ModelSpec:
    """The declaration in ``path``, whose file name has to be ``<name>.yaml``.

    Raises:
        SpecError: with every mistake found, each with its line.
    """
    if not path.is_file():
        there = sorted(other.stem for other in path.parent.glob("*.yaml"))
        raise SpecError(
            f"there is no model {path.stem!r}",
            where=str(path),
            wanted=f"one of {there}" if there else "a declaration in that folder",
            do="write the file, or name a model that is declared",
        )
    tree = read_nodes(path)
    expand(tree, path.parent)
    value = value_of(tree)
    if not isinstance(value, dict):
        raise SpecError(
            "a declaration is a mapping of keys to values",
            where=str(path),
            got=type(value).__name__,
        )
    try:
        spec = ModelSpec.model_validate(value)
    except ValidationError as cause:
        raise SpecError(
            f"{cause.error_count()} mistake(s) in a declaration",
            where=str(path),
            got="\n" + "\n".join(_mistakes(tree, cause)),
            do="mend the lines above; `gauntlet schema` prints all that is allowed",
        ) from cause
    if spec.name != path.stem:
        raise SpecError(
            "a file is called after its model",
            where=_place(tree, ("name",)),
            got=f"name: {spec.name}",
            wanted=f"name: {path.stem}, or a file {spec.name}.yaml",
        )
    return spec


def load_models(folder: Path) -> dict[str, ModelSpec]:
    """Every declaration in a folder, by name."""
    return {path.stem: load_model(path) for path in sorted(folder.glob("*.yaml"))}


def written_schema() -> dict[str, Any]:
    """The JSON Schema of a declaration as it is written: its features may be included."""
    schema = ModelSpec.model_json_schema()
    features = schema["properties"]["features"]
    features["items"] = {"anyOf": [features["items"], {"$ref": "#/$defs/Include"}]}
    schema["$defs"]["Include"] = Include.model_json_schema()
    return schema


def _mistakes(tree: yaml.Node | None, error: ValidationError) -> list[str]:
    lines = []
    for mistake in error.errors(include_url=False):
        place = tuple(mistake["loc"])
        got = mistake.get("input")
        shown = "" if isinstance(got, dict | list) else f" (got {got!r})"
        key = ".".join(str(part) for part in place) or "whole file"
        lines.append(f"    {_place(tree, place)}: {key}: {mistake['msg']}{shown}")
        lines += [
            f"    {place_of(feature)}: there stands {name}"
            for name, feature in _named(tree)
            if not place and f"features.{name}:" in mistake["msg"]
        ]
    return lines


def _named(tree: Any) -> Iterator[tuple[str, Any]]:
    """The features' nodes by name."""
    features = entry(tree, "features")
    for feature in features.value if isinstance(features, yaml.SequenceNode) else ():
        name = entry(feature, "name")
        if name is not None:
            yield name.value, feature


def _place(node: Any, place: tuple[int | str, ...]) -> str:
    """File and line of the deepest part of ``place`` that is there (union tags are not)."""
    deepest = node
    for part in place:
        if isinstance(node, yaml.MappingNode):
            found = [(key, value) for key, value in node.value if key.value == str(part)]
            if not found:
                continue
            deepest, node = found[0]
        elif (
            isinstance(node, yaml.SequenceNode) and isinstance(part, int) and part < len(node.value)
        ):
            deepest = node = node.value[part]
    return place_of(deepest)
