"""Reads ``models/<name>.yaml`` and says for every mistake in it: file, line, key, got, wanted."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml
from pydantic import ValidationError

from pipelines.core.errors import SpecError
from pipelines.spec.model import ModelSpec


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
    try:
        text = path.read_text(encoding="utf-8")
        tree = yaml.compose(text, Loader=yaml.SafeLoader)
        value = yaml.safe_load(text)
    except (yaml.YAMLError, UnicodeDecodeError) as cause:
        raise SpecError("cannot read YAML", where=str(path), got=str(cause)) from cause
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
            got="\n" + "\n".join(_mistakes(path, tree, cause)),
            do="mend the lines above; `gauntlet schema` prints all that is allowed",
        ) from cause
    if spec.name != path.stem:
        raise SpecError(
            "a file is called after its model",
            where=f"{path}:{_line(tree, ('name',))}",
            got=f"name: {spec.name}",
            wanted=f"name: {path.stem}, or a file {spec.name}.yaml",
        )
    return spec


def load_models(folder: Path) -> dict[str, ModelSpec]:
    """Every declaration in a folder, by name."""
    return {path.stem: load_model(path) for path in sorted(folder.glob("*.yaml"))}


def _mistakes(path: Path, tree: yaml.Node | None, error: ValidationError) -> list[str]:
    lines = []
    for mistake in error.errors(include_url=False):
        place = tuple(mistake["loc"])
        got = mistake.get("input")
        shown = "" if isinstance(got, dict | list) else f" (got {got!r})"
        key = ".".join(str(part) for part in place) or "whole file"
        lines.append(f"    {path}:{_line(tree, place)}: {key}: {mistake['msg']}{shown}")
    return lines


def _line(node: Any, place: tuple[int | str, ...]) -> int:
    """Line of the deepest part of ``place`` that the file has (it lacks union tags)."""
    line = node.start_mark.line + 1 if node is not None else 1
    for part in place:
        if isinstance(node, yaml.MappingNode):
            found = [(key, value) for key, value in node.value if key.value == str(part)]
            if not found:
                continue
            line, node = found[0][0].start_mark.line + 1, found[0][1]
        elif (
            isinstance(node, yaml.SequenceNode) and isinstance(part, int) and part < len(node.value)
        ):
            node = node.value[part]
            line = node.start_mark.line + 1
    return line
