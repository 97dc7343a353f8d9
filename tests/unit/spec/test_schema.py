"""The published JSON Schema: its defaults and all example declarations fit it."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from pipelines.spec.schema import written_schema
from pipelines.spec.yaml_source.yaml_file import read_nodes, value_of

ROOT = Path(__file__).parents[3]
SCHEMA = written_schema()


def defaults(node: Any, place: str = "") -> Iterator[tuple[str, dict[str, Any]]]:
    if isinstance(node, dict):
        if "default" in node and node["default"] is not None:
            yield place, node
        for key, value in node.items():
            yield from defaults(value, f"{place}.{key}")
    elif isinstance(node, list):
        for number, value in enumerate(node):
            yield from defaults(value, f"{place}.{number}")


def test_every_default_fits_its_own_part_of_the_schema() -> None:
    jsonschema.Draft202012Validator.check_schema(SCHEMA)
    found = list(defaults(SCHEMA))
    assert len(found) > 50
    for place, part in found:
        validator = jsonschema.Draft202012Validator({**part, "$defs": SCHEMA["$defs"]})
        problems = [problem.message for problem in validator.iter_errors(part["default"])]
        assert not problems, (place, problems)


@pytest.mark.parametrize("path", sorted(ROOT.glob("models/*.yaml")), ids=lambda path: path.stem)
def test_every_declaration_of_the_repository_fits(path: Path) -> None:
    validator = jsonschema.Draft202012Validator(SCHEMA)
    problems = [problem.message for problem in validator.iter_errors(value_of(read_nodes(path)))]
    assert not problems
