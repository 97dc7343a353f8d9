"""The declarations of the real sets, without their data."""

from __future__ import annotations

from pathlib import Path

import pytest

from pipelines.quality.suite import load_suite
from pipelines.spec.load import load_model
from tests.real.sets import SETS

HERE = Path(__file__).parent


def test_every_set_is_declared_once() -> None:
    assert len(SETS) >= 12
    for folder, ending in (("models", "yaml"), ("expectations", "json")):
        assert {path.stem for path in (HERE / folder).glob(f"*.{ending}")} == set(SETS), folder


@pytest.mark.parametrize("name", SETS)
def test_a_declaration_is_valid_and_its_backtest_has_mondays(name: str) -> None:
    known = SETS[name]
    spec = load_model(HERE / "models" / f"{name}.yaml")
    assert spec.name == known.name == name
    assert load_suite(HERE / "expectations" / f"{name}.json", spec)["expectations"]
    assert set(known.options) <= set(spec.streams)
    assert known.first.weekday() == known.last.weekday() == 0
    assert (known.last - known.first).days >= 16 * 7, "a backtest has at least 16 weeks"
