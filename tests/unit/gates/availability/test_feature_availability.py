"""Findings about a feature that production has, lacks, does not have yet, or has lost."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest

from pipelines.core.findings import Finding, Verdict
from pipelines.gates.availability.feature_ablation import ablation_loss
from pipelines.gates.availability.feature_availability import (
    AvailabilityStatus,
    FeatureAvailability,
    ViewAge,
    below_required_share,
    online_findings,
    staleness_finding,
)
from pipelines.spec.model import ModelSpec
from pipelines.training.fit import fit
from tests.support.pharmacy import declaration

SPEC = ModelSpec.model_validate(declaration())


def available(**changes: Any) -> FeatureAvailability:
    """A feature that is there: 1,000 points of 200 entities."""
    return FeatureAvailability(
        **{
            "feature": "sold",
            "view": "dispensing_by_pharmacy_medicine",
            "points": 1000,
            "offline": 1000,
            "online": 1000,
            "entities": 200,
            "unequal": 0,
            "likely": None,
            "stored": True,
            "champions": True,
            "trained_share": 0.99,
            "recent_share": 0.99,
        }
        | changes
    )


def answers(each: FeatureAvailability, losses: Any = None) -> dict[str, Finding]:
    return {f.name: f for f in online_findings(SPEC, (each,), losses or {})}


@pytest.mark.parametrize(
    ("changes", "name", "verdict"),
    [
        ({}, "online", Verdict.PASS),
        ({"online": 600}, "online", Verdict.FAIL),
        ({"online": 975}, "online", Verdict.INCONCLUSIVE),
        ({"online": 0}, "vanished", Verdict.FAIL),
        ({"stored": False, "online": 0}, "vanished", Verdict.FAIL),
        ({"stored": False, "online": 0, "champions": False}, "new", Verdict.FAIL),
        ({"offline": 0, "online": 0, "entities": 0, "recent_share": 0.0}, "vanished", Verdict.FAIL),
        ({"requests": 5000, "lost": 2000}, "online", Verdict.FAIL),
        ({"requests": 5000, "lost": 5}, "online", Verdict.PASS),
    ],
)
def test_a_feature_is_named_by_how_it_is_missing(
    changes: dict[str, Any], name: str, verdict: Verdict
) -> None:
    each = available(**changes)
    finding = answers(each)[f"availability.{name}.sold"]
    assert (finding.verdict, finding.blocking) == (verdict, True)
    assert below_required_share(SPEC, each) == (verdict is not Verdict.PASS)


def test_a_view_that_is_empty_at_night_is_no_data_and_stops_nothing() -> None:
    """No entity has a value at the store's instant, and some had one during the days."""
    each = available(offline=0, online=0, entities=0)
    finding = answers(each)["availability.online.sold"]
    assert (finding.verdict, finding.blocking) == (Verdict.NO_DATA, False)
    assert not below_required_share(SPEC, each)


def test_a_rare_feature_that_happens_to_be_absent_has_not_vanished() -> None:
    rare = available(offline=0, online=0, entities=0, trained_share=0.002, recent_share=0.0)
    assert rare.kind is AvailabilityStatus.ONLINE, "two values were to be expected in 1,000 points"


def test_stored_values_are_held_against_recomputed_ones() -> None:
    assert answers(available())["availability.online_mismatch.sold"].verdict is Verdict.PASS
    wrong = answers(available(unequal=300))["availability.online_mismatch.sold"]
    assert (wrong.verdict, wrong.value) == (Verdict.FAIL, 0.3)


def test_an_expired_view_names_what_is_missing() -> None:
    fresh = ViewAge(
        model="demand", view="stock", age_s=7_200, lifetime_s=3_600, features=("on_hand",)
    )
    finding = staleness_finding(fresh)
    assert finding.verdict is Verdict.FAIL
    assert "on_hand" in finding.reason
    assert "2.0 h" in finding.reason
    assert staleness_finding(fresh.model_copy(update={"age_s": 3_600})).verdict is Verdict.PASS


# Mask replay


def rows(seed: int, days: int = 28) -> pd.DataFrame:
    """Twenty pharmacies a day; what is sold next is what was sold, and the weekday says nothing."""
    rng = np.random.default_rng(seed)
    n = 20 * days
    before = rng.gamma(3, 10, n)
    return pd.DataFrame(
        {
            "pharmacy": [f"p{k % 20}" for k in range(n)],
            "medicine": "m",
            "decision_time": pd.Timestamp("2026-01-05") + pd.to_timedelta(np.arange(n) // 20, "D"),
            "weekday": 1,
            "sold": before,
            "label": np.maximum(before + rng.normal(0, 2, n), 0),
        }
    )


@pytest.fixture(scope="module")
def fitted() -> Any:
    return fit(SPEC, rows(1), 11)


def test_what_a_model_lives_on_is_missed(fitted: Any) -> None:
    recent = rows(2)
    everywhere = ablation_loss(SPEC, fitted, recent, "sold", np.ones(len(recent), dtype=bool))
    assert everywhere.share == 1.0
    assert everywhere.interval is not None
    assert everywhere.interval.low is not None
    assert everywhere.interval.low > 0, "masked everywhere, it has to lose"
    assert "the recipe loses +" in everywhere.summary
    half = ablation_loss(SPEC, fitted, recent, "sold", (recent["pharmacy"] < "p15").to_numpy())
    assert 0 < half.loss < everywhere.loss


def test_what_a_model_does_not_read_is_not_missed(fitted: Any) -> None:
    recent = rows(2)
    found = ablation_loss(SPEC, fitted, recent, "weekday", np.ones(len(recent), dtype=bool))
    assert (found.loss, found.interval) == (0.0, None)


def test_rows_without_a_label_do_not_count(fitted: Any) -> None:
    recent = rows(2)
    whole = ablation_loss(SPEC, fitted, recent, "sold", np.ones(len(recent), dtype=bool))
    extra = pd.concat([recent, rows(3).assign(label=np.nan)], ignore_index=True)
    again = ablation_loss(SPEC, fitted, extra, "sold", np.ones(len(extra), dtype=bool))
    assert again == whole
