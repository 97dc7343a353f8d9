"""Accepted expectations are not validated again; all others are."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pipelines.adapters.expectations.validation import remembering
from pipelines.data.cache import Cache

SOUND = {"type": "expect_column_values_to_not_be_null", "kwargs": {"column": "units"}}
BROKEN = {"type": "expect_nothing", "kwargs": {}}


def test_only_accepted_expectations_are_remembered(tmp_path: Path) -> None:
    validated: list[Mapping[str, Any]] = []

    def validate(expectation: Mapping[str, Any]) -> list[str]:
        validated.append(expectation)
        return ["no such type"] if expectation == BROKEN else []

    for _ in range(2):
        mistakes = remembering(validate, Cache(tmp_path))
        assert mistakes(SOUND) == []
        assert mistakes(BROKEN) == ["no such type"]
    assert validated == [SOUND, BROKEN, BROKEN]
    remembering(validate, Cache(tmp_path))(SOUND | {"kwargs": {"column": "price"}})
    assert len(validated) == 4
