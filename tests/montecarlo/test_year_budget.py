"""A year of tries: what it may promote falsely, what it finds, and what the usual gate does."""

from __future__ import annotations

import numpy as np
import pytest

from pipelines.core.findings import Verdict
from pipelines.gates.recent_window.findings import primary
from tests.montecarlo.slices import blamed
from tests.montecarlo.worlds import (
    REPLICATIONS,
    SMALL_AR_HALF,
    SMALL_ENTITIES,
    lower,
    simulate,
    upper,
)
from tests.montecarlo.year import Gauntlet, comparison, one_test, spec, usual, years

YEARS = max(20, REPLICATIONS // 10)


@pytest.mark.parametrize(
    ("name", "world"),
    [
        ("lasting entities", SMALL_ENTITIES),
        # docs/proof.md has years of dependent days.
        pytest.param("strongly dependent days", SMALL_AR_HALF, marks=pytest.mark.proof),
    ],
)
def test_a_year_of_weekly_tries_stays_within_its_budget(name, world):
    declaration = spec()
    counts = years(world, YEARS, 1, lambda: Gauntlet(declaration))
    rate = float(np.mean(counts > 0))
    assert rate <= upper(0.05, YEARS), (
        f"{rate:.3f} of {YEARS} years with {name} promoted a candidate that was no better; "
        "the budget allows 5 %"
    )


def test_the_usual_gate_promotes_what_is_no_better_in_nearly_every_year():
    """26 in a year if windows did not overlap; that they share rows and champion makes it fewer."""
    counts = years(SMALL_ENTITIES, YEARS, 2, lambda: usual)
    assert np.mean(counts > 0) >= lower(0.95, YEARS)
    assert counts.mean() > 3


def test_a_sound_test_every_week_is_not_sound_over_a_year():
    counts = years(SMALL_AR_HALF, YEARS, 3, lambda: one_test)
    assert np.mean(counts > 0) > upper(0.05, YEARS), "then a yearly budget would not be needed"


@pytest.mark.parametrize("strict", [False, True])
def test_the_effect_that_a_finding_reports_as_detectable_is_detected_nine_times_in_ten(strict):
    declaration = spec()
    level = declaration.promoting_level
    nothing = simulate(SMALL_ENTITIES, REPLICATIONS, 4, strict=strict)
    effect = float(np.median([r.minimum_detectable_effect(level) for r in nothing]))
    found = simulate(SMALL_ENTITIES, REPLICATIONS, 5, strict=strict, gain=effect)
    verdicts = [primary(declaration, comparison(r), "champion").verdict for r in found]
    rate = float(np.mean([verdict is Verdict.PASS for verdict in verdicts]))
    assert rate >= lower(0.84 if strict else 0.87), (
        f"power {rate:.3f} at an effect said to be found with 0.90"
    )


def test_slices_at_the_limit_of_what_is_tolerated_are_rarely_blamed():
    any_blamed = blamed(SMALL_ENTITIES, REPLICATIONS // 3, 6)[:, 0].mean()
    assert any_blamed <= upper(0.05, REPLICATIONS // 3), f"some slice blamed in {any_blamed:.3f}"


def test_a_harmed_slice_is_found():
    found = blamed(SMALL_ENTITIES, REPLICATIONS // 6, 7, harmed=1.2)[:, 1].mean()
    assert found >= lower(0.9, REPLICATIONS // 6), f"a harm of 1.2 was found in {found:.3f}"
