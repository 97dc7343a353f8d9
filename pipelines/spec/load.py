"""Reads ``models/<name>.yaml``; every error has file, line, key, the value and what is valid."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml
from pydantic import ValidationError

from pipelines.core.counts import counted
from pipelines.core.errors import SpecError
from pipelines.core.names import unknown_name
from pipelines.spec.model import ModelSpec
from pipelines.spec.yaml_source.include import expand
from pipelines.spec.yaml_source.own_functions import add_sources
from pipelines.spec.yaml_source.yaml_file import entry, place_of, read_nodes, value_of

_RETIRED: dict[tuple[int | str, ...], str] = {
    ("gates", "budget", "refresh"): "remove it: every model is refreshed, and `gates.refresh` "
    "declares when; a refresh is no try",
    ("gates", "budget", "margin"): "remove it: `gates.refresh.cost` is the cost of age from which "
    "a refresh is worth it",
}


def load_model(path: Path) -> ModelSpec:
    """The declaration in ``path``, whose file name must be ``<name>.yaml``.

    Raises:
        SpecError: with every mistake found, each with its line.
    """
    if not path.is_file():
        raise unknown_name(
            f"there is no model {path.stem!r}",
            path.stem,
            (other.stem for other in path.parent.glob("*.yaml")),
            where=str(path),
            hint="write the file, or name a model that is declared",
        )
    tree = read_nodes(path)
    expand(tree, path.parent)
    add_sources(tree, path.parent / "code")
    value = value_of(tree)
    if not isinstance(value, dict):
        raise SpecError(
            "a declaration is a mapping of keys to values",
            where=str(path),
            got=type(value).__name__,
        )
    try:
        # Strict, as JSON: a text is no number, and a number is neither true nor false.
        spec = ModelSpec.model_validate_json(json.dumps(value), strict=True)
    except ValidationError as cause:
        mistakes = list(_mistakes(tree, cause))
        raise SpecError(
            f"{counted(len(mistakes), 'mistake')} in a declaration",
            where=str(path),
            got="\n".join(["", *mistakes]),
            hint="mend the lines above; `gauntlet schema` prints all that is allowed",
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


def _mistakes(tree: yaml.Node | None, error: ValidationError) -> Iterator[str]:
    for mistake in error.errors(include_url=False):
        place, got = tuple(mistake["loc"]), mistake.get("input")
        shown = "" if isinstance(got, dict | list) else f" (got {got!r})"
        if retired := _RETIRED.get(place):
            yield f"    {_place(tree, place)}: {'.'.join(map(str, place))}: {retired}"
            continue
        ours = mistake.get("ctx", {}).get("error") if mistake["type"] == "value_error" else None
        for line in str(ours or mistake["msg"]).splitlines():
            further, text = _split_problem(line) if ours else ((), line)
            whole = (*place, *further)
            key = ".".join(str(part) for part in whole) or "whole file"
            yield f"    {_place(tree, whole)}: {key}: {text}{shown}"


def _split_problem(problem: str) -> tuple[tuple[int | str, ...], str]:
    """Place and text of a validator's message: ``serving.views.stock: there is no such view``."""
    place, colon, text = problem.partition(": ")
    if colon and re.fullmatch(r"\w+(\.\w+)*", place):
        parts = place.split(".")
        return tuple(int(part) if part.isdecimal() else part for part in parts), text
    return (), problem


def _place(node: Any, place: tuple[int | str, ...]) -> str:
    """File and line of the deepest part of ``place`` that exists in the file (union tags do not).

    An entry of a list is found by its number or by its name.
    """
    deepest = node
    for part in place:
        if isinstance(node, yaml.MappingNode):
            found = [(key, value) for key, value in node.value if key.value == str(part)]
            if not found:
                continue
            deepest, node = found[0]
        elif isinstance(node, yaml.SequenceNode):
            found = [
                one
                for number, one in enumerate(node.value)
                if part == number or part == getattr(entry(one, "name"), "value", None)
            ]
            deepest = node = found[0] if found else node
    return place_of(deepest)
