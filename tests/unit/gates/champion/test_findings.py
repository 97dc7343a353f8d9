"""The champion's health, and what an emergency changes."""

from __future__ import annotations

import numpy as np
import pytest

from pipelines.core.findings import Verdict, make_finding
from pipelines.gates.champion.emergency import alarms, is_emergency, without_the_record
from pipelines.gates.champion.findings import health, unknown_health
from pipelines.gates.recent_window.record import Comparison
from pipelines.stats.paired import paired_difference


def compared(gain: float) -> Comparison:
    """A champion whose log loss is better by ``gain`` than the naive forecast's, with noise."""
    rng = np.random.default_rng(4)
    entity, day = np.repeat(np.arange(60), 28), np.tile(np.arange(28), 60)
    champion = -0.6931 + gain + rng.normal(scale=0.2, size=len(day))
    naive = np.full(len(day), -0.6931)
    return Comparison(
        metric="log_loss",
        higher_is_better=False,
        candidate=float(-champion.mean()),
        baseline=0.6931,
        difference=paired_difference(champion, naive, entity, day, strict=False),
    )


@pytest.mark.parametrize(
    ("gain", "verdict"),
    [(0.2, Verdict.PASS), (-0.006, Verdict.INCONCLUSIVE), (-0.2, Verdict.FAIL)],
)
def test_only_a_champion_that_is_shown_to_be_worse_is_an_emergency(gain, verdict):
    comparison = compared(gain)
    finding = health(comparison, 0.05)
    assert (finding.verdict, finding.blocking) == (verdict, False)
    better = [
        make_finding(name, Verdict.PASS, "better")
        for name in ("recent_window.primary", "recent_window.baseline")
    ]
    assert is_emergency([finding, *better]) == (verdict is Verdict.FAIL)
    assert not is_emergency([finding, better[0]]), "better than a broken champion is not enough"
    assert len(alarms([finding])) == (verdict is Verdict.FAIL)
    assert finding.value == comparison.gain


def test_the_same_predictions_are_no_alarm():
    same = compared(0.0).model_copy(update={"difference": None, "candidate": 0.6931})
    assert health(same, 0.05).verdict is Verdict.PASS
    worse = same.model_copy(update={"candidate": 0.7})
    assert health(worse, 0.05).verdict is Verdict.INCONCLUSIVE


def test_an_unknown_health_is_no_emergency():
    assert not is_emergency([unknown_health("one class")])


def test_an_emergency_only_shows_the_record():
    record = make_finding("refresh.record", Verdict.FAIL, "age costs nothing")
    other = make_finding("contract.suite", Verdict.FAIL, "broken")
    shown, blocking = without_the_record([record, other])
    assert not shown.blocking
    assert blocking == other
