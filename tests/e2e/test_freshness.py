"""What a model would claim with features that production never has."""

from __future__ import annotations

from pathlib import Path

import pytest

from pipelines.core.errors import SpecError
from pipelines.core.time import instant_text
from pipelines.flows.features.freshness import FreshnessReport, freshness
from tests.support.pharmacy import FIRST, RICH, Pharmacy


def compare(pharmacy: Pharmacy) -> FreshnessReport:
    parts = pharmacy.parts()
    spec = parts.load_spec("demand")
    return freshness(spec, FIRST, parts.open_events(spec), parts.home)


def test_stale_features_cost_what_the_claim_hides(champion: Pharmacy, tmp_path: Path) -> None:
    """Filled once a week and a day late, a fortnight's sales tell less of the week to come."""
    pharmacy = champion.copy(tmp_path / "home")
    pharmacy.declare(RICH, serving={"every": "7d", "delay": "1d"})
    before = pharmacy.parts().ledger.entries("demand", "live")
    comparison = compare(pharmacy).comparison
    fresh, served, mismatched = comparison.variants
    assert fresh.interval is None, "the fresh variant has no difference from itself"
    assert fresh.metric < served.metric, "staleness cost nothing"
    assert fresh.metric < mismatched.metric, "a model that leans on them lost nothing"
    assert served.difference == pytest.approx(fresh.metric - served.metric)
    assert mismatched.difference == pytest.approx(fresh.metric - mismatched.metric)
    assert pharmacy.parts().ledger.entries("demand", "live") == before, "a try was charged"


def test_served_at_once_all_three_ways_are_one(champion: Pharmacy, tmp_path: Path) -> None:
    pharmacy = champion.copy(tmp_path / "home")
    pharmacy.declare(RICH, serving={"every": "1d"})
    done = pharmacy.cli("freshness", "demand", "--as-of", instant_text(FIRST), "--json")
    assert done.code == 0, done.err
    [metric] = {variant["metric"] for variant in done.body["comparison"]["variants"]}
    assert metric > 0


def test_a_model_without_serving_gets_a_hint_what_to_add(
    champion: Pharmacy, tmp_path: Path
) -> None:
    pharmacy = champion.copy(tmp_path / "home")
    pharmacy.declare(RICH)
    with pytest.raises(SpecError, match="add `serving:"):
        compare(pharmacy)
