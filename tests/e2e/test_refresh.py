"""The refresh lane through the whole flow: two Mondays of the same recipe, and the anchor.

The margin is generous and seeds are looked away from, so that a refit that looks better by chance
goes through: the subject is which versions are compared, not how strict a default is.
"""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from pipelines.core.findings import Finding
from pipelines.release.budget import reference_version
from tests.support.pharmacy import FIRST, Pharmacy, RetrainResult

LENIENT: dict[str, Any] = {
    "gates": {
        "budget": {"refresh": True, "tries": 4, "alpha_year": 0.2, "margin": 1.0},
        "recent_window": {"minimum_days": 7},
    },
    "metric": {"name": "absolute_error", "minimum_effect": 50.0},
}
REQUESTED = {"waive": ("recent_window.seed_noise",), "reason": "a test of the lane"}


def names(reported: RetrainResult) -> dict[str, Finding]:
    return {finding.name: finding for finding in reported.done.findings}


def test_a_second_refresh_is_held_against_what_was_proved(
    champion: Pharmacy, tmp_path: Path
) -> None:
    pharmacy = champion.copy(tmp_path / "home")
    pharmacy.declare(**LENIENT)
    # Two days on, a refit looks better than the first version; a day later, another than that.
    first, second = (pharmacy.retrain(FIRST + timedelta(days=day), **REQUESTED) for day in (2, 3))
    assert (first.outcome, second.outcome) == ("promote", "promote"), second.against()
    assert "recent_window.reference" not in names(first), "the champion was the anchor itself"
    by_name = names(second)
    held = by_name["recent_window.reference"]
    assert "version 1" in held.reason
    assert held.rows == by_name["recent_window.refresh"].rows, "on the same rows"
    entries = pharmacy.parts().ledger.entries("demand")
    assert reference_version(entries) == "1", "refreshes are no anchors, however many"
    reported = pharmacy.cli("ledger", "demand", "--json").body["budget"]
    year = next(one for one in reported if one["tries"])
    assert (len(year["tries"]), year["left"]) == (2, 2)
    assert year["spent"] == pytest.approx(0.1)
