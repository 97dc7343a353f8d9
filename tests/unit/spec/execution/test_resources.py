"""What a declaration of resources may say, and that it changes nothing else."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from pipelines.spec.model import ModelSpec
from tests.support.pharmacy import declaration


def declared(resources: Any) -> ModelSpec:
    return ModelSpec.model_validate(declaration(resources=resources))


@pytest.mark.parametrize(
    ("resources", "reason"),
    [
        ({"fit": {"memory": "2Gi"}}, "snapshot"),
        ({"train": {"memory": "2GB"}}, "pattern"),
        ({"train": {"memory": "0Gi"}}, "pattern"),
        ({"train": {"cpu": 0}}, "greater than 0"),
        ({"train": {"gpu": 1}}, "not permitted"),
    ],
)
def test_what_a_declaration_of_resources_may_not_say(resources: Any, reason: str) -> None:
    with pytest.raises(ValidationError, match=reason):
        declared(resources)


def test_resources_are_no_part_of_hashes_and_versions() -> None:
    plain, placed = declared({}), declared({"train": {"memory": "2Gi", "cpu": 0.5}})
    assert placed.resources["train"].memory == "2Gi"
    assert placed.resources["train"].cpu == 0.5
    assert (placed.digest, placed.recipe) == (plain.digest, plain.recipe)
    assert placed.as_json() == plain.as_json()
    assert "resources" not in plain.as_json()
