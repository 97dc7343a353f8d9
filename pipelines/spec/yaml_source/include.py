"""Shared features: replaces a declaration's ``- include:`` entries by the content of their files.

Works on YAML nodes, not on values: every node has its file and line, so that an error in a shared
feature names the place in the shared file.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import yaml
from pydantic import Field, ValidationError

from pipelines.core.errors import SpecError
from pipelines.core.names import Name
from pipelines.spec.fields import Declaration
from pipelines.spec.yaml_source.yaml_file import entry, place_of, read_nodes, value_of


class Include(Declaration):
    """An entry that is replaced by features of a file that several models share."""

    include: str = Field(
        pattern=r"^features/[A-Za-z0-9_\-]+\.yaml$",
        description="features/<file>.yaml beside the declaration: a list of features",
    )
    only: tuple[Name, ...] | None = Field(
        default=None, min_length=1, description="names of those to take; default: all"
    )


def expand(tree: yaml.Node | None, folder: Path) -> None:
    """Replace the include entries of a declaration by the shared features.

    Arguments:
        tree: a declaration's nodes; changed in place.
        folder: folder of the declaration.

    Raises:
        SpecError: when an included file cannot be read, is not a list of features, includes another
            file, lacks a requested feature, or contains a name that is already in use.
    """
    features = entry(tree, "features")
    if not isinstance(features, yaml.SequenceNode):
        return
    own, shared = [], []
    whole: list[yaml.Node] = []
    for node in features.value:
        if entry(node, "include") is None:
            own.append(node)
            whole.append(node)
        else:
            taken = list(_included(node, folder))
            shared += taken
            whole += taken
    _refuse_doubled([*own, *shared] if shared else [])
    features.value = whole


def _included(node: yaml.Node, folder: Path) -> Iterator[yaml.Node]:
    try:
        include = Include.model_validate(value_of(node))
    except ValidationError as cause:
        first = cause.errors(include_url=False)[0]
        raise SpecError(
            "cannot read an include of shared features",
            where=f"{place_of(node)}: {'.'.join(map(str, first['loc']))}",
            got=f"{first['msg']} (got {first['input']!r})",
            wanted="{include: features/<file>.yaml} and, for some of them, only: [<names>]",
        ) from cause
    path = folder / include.include
    if not path.is_file():
        there = sorted(f"features/{one.name}" for one in path.parent.glob("*.yaml"))
        raise SpecError(
            "a file of shared features is not there",
            where=place_of(node),
            got=str(path),
            wanted=f"one of {there}" if there else "a list of features in that file",
        )
    content = read_nodes(path)
    if not isinstance(content, yaml.SequenceNode) or not content.value:
        raise SpecError(
            "a file of shared features is a list of features",
            where=str(path),
            got="nothing" if content is None else content.tag.rpartition(":")[2],
            wanted="- {kind: ..., name: ...} for each feature",
        )
    for feature in content.value:
        if entry(feature, "include") is not None:
            raise SpecError(
                "shared features cannot include others",
                where=place_of(feature),
                hint="include both files in the model's declaration",
            )
    if include.only is None:
        yield from content.value
        return
    named = [_name(feature) for feature in content.value]
    lacking = sorted(set(include.only) - set(named))
    if lacking:
        raise SpecError(
            "a file of shared features lacks what is asked of it",
            where=place_of(node),
            got=f"only: {lacking}",
            wanted=f"names that {path} has: {named}",
        )
    yield from (feature for feature in content.value if _name(feature) in include.only)


def _refuse_doubled(features: list[yaml.Node]) -> None:
    first_places: dict[str, yaml.Node] = {}
    for feature in features:
        name = _name(feature)
        if name is not None and name in first_places:
            raise SpecError(
                f"the feature {name!r} stands twice",
                where=place_of(feature),
                got=f"the same name at {place_of(first_places[name])}",
                wanted="one feature of a name in a model",
                hint="rename one, or take only: the others of the shared file",
            )
        if name is not None:
            first_places[name] = feature


def _name(feature: yaml.Node) -> str | None:
    node = entry(feature, "name")
    return node.value if isinstance(node, yaml.ScalarNode) else None
