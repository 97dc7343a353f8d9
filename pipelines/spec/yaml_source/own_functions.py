"""Own functions: adds the source of each function that a declaration names to its node."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import yaml

from pipelines.core.errors import SpecError
from pipelines.own_code.declared import FUNCTION
from pipelines.own_code.source import read_function
from pipelines.spec.yaml_source.yaml_file import entry, place_of

_MAP, _TEXT = "tag:yaml.org,2002:map", "tag:yaml.org,2002:str"


def add_sources(tree: yaml.Node | None, folder: Path) -> None:
    """Add ``files`` to every part of a declaration that has a ``function``.

    Arguments:
        tree: a declaration's nodes, with shared features; changed in place.
        folder: the folder of own code, ``models/code``.

    Raises:
        SpecError: when a function's source cannot be read or reproduced, or is written out.
    """
    for node in _parts(tree):
        written, function = entry(node, "files"), entry(node, "function")
        if written is not None:
            raise SpecError(
                "files are not declared",
                where=place_of(written),
                wanted="function: module:function; its source is read from models/code/",
            )
        if not isinstance(function, yaml.ScalarNode) or not re.match(FUNCTION, function.value):
            continue  # the declaration reports what is no function
        files = read_function(folder, function.value, place_of(function))
        node.value.append((_scalar("files"), _mapping(files)))


def _parts(tree: yaml.Node | None) -> Iterator[yaml.MappingNode]:
    """The nodes that may have a function, each once: an anchor's node occurs several times."""
    features = entry(tree, "features")
    listed = features.value if isinstance(features, yaml.SequenceNode) else []
    nodes = [entry(tree, "estimator"), entry(tree, "metric"), *listed]
    yield from {id(node): node for node in nodes if isinstance(node, yaml.MappingNode)}.values()


def _mapping(files: dict[str, str]) -> yaml.MappingNode:
    return yaml.MappingNode(_MAP, [(_scalar(name), _scalar(text)) for name, text in files.items()])


def _scalar(text: str) -> yaml.ScalarNode:
    return yaml.ScalarNode(_TEXT, text, style='"')
