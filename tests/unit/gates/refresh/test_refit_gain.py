"""Refits are compared with their twins on weeks that trained neither."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import numpy as np
import pytest

from pipelines.core.findings import Verdict
from pipelines.gates.refresh.record import RecordedWeek, RefreshRecord
from pipelines.gates.refresh.refit_gain import refit_gain, refit_gain_finding
from pipelines.spec.training import RefreshGate

MONDAY = datetime(2026, 1, 5, tzinfo=UTC)
WEEK = timedelta(days=7)
LAG = 5 * WEEK


def record(gains, points=10):
    """Weeks in which the newest candidate and its twin differ by a gain."""
    weeks = []
    for number, gain in enumerate(gains):
        start = MONDAY + number * WEEK
        losses = {start: 1.0, start - LAG: 1.0 + gain, start - 2 * LAG: 9.0}
        weeks.append(
            RecordedWeek(start=start.date(), points=points, rows_digest="r", losses=losses)
        )
    return RefreshRecord(recipe="r", weeks=tuple(weeks))


def finding(account):
    return refit_gain_finding(RefreshGate(), "absolute_error", account)


def test_the_newest_candidate_with_a_twin_counts_for_each_week():
    gains, points = record([0.5, -0.25]).refit_gains(LAG)
    assert gains.tolist() == [0.5, -0.25]
    assert points.tolist() == [10, 10]


def test_a_candidate_that_was_trained_on_the_week_does_not_count():
    (week,) = record([0.5]).weeks
    later = week.model_copy(update={"losses": {**week.losses, MONDAY + WEEK: 0.0}})
    assert later.newest_refit(LAG) == MONDAY


def test_a_week_without_a_twin_is_left_out():
    assert record([0.5, 0.5]).refit_gains(LAG + WEEK)[0].size == 0


@pytest.mark.parametrize(
    ("gain", "verdict", "words"),
    [
        (0.5, Verdict.PASS, "proved to gain"),
        (-0.5, Verdict.FAIL, "split.refit: false"),
        (0.0, Verdict.INCONCLUSIVE, "neither"),
    ],
)
def test_the_account_claims_only_what_is_proved(gain, verdict, words):
    noise = np.random.default_rng(3).normal(0, 0.1, 40)
    shown = finding(refit_gain(record(gain + noise - noise.mean()), LAG))
    assert (shown.verdict, shown.blocking) == (verdict, False)
    assert words in shown.reason
    assert shown.value == pytest.approx(gain)


def test_one_week_is_no_account():
    assert finding(refit_gain(record([0.5]), LAG)).verdict is Verdict.NO_DATA
