"""A first version is judged by the weeks that are known, where there are enough of them."""

from __future__ import annotations

from datetime import UTC, datetime

import numpy as np
import pytest

from pipelines.core.findings import Verdict, make_finding
from pipelines.core.time import Window
from pipelines.core.weeks import WEEK
from pipelines.gates.recent_window.record import Comparison, Evaluation
from pipelines.gates.recent_window.replay import decided_by_replay, replay_findings
from pipelines.gates.refresh.names import REPLAY, is_from_record
from pipelines.gates.refresh.record import RecordedWeek, RefreshRecord

AS_OF = datetime(2026, 6, 1, tzinfo=UTC)  # a Monday


@pytest.fixture
def spec(regression):
    return regression()


def record(gains):
    """The newest candidate of each week gained so much; the last week began a week before as-of."""
    weeks = []
    for age, gain in enumerate(reversed(gains), 1):
        start = AS_OF - age * WEEK
        losses = {start: 1.0 - gain, start - WEEK: 5.0}
        weeks.append(
            RecordedWeek(start=start.date(), points=10, rows_digest="", losses=losses, naive=1.0)
        )
    return RefreshRecord(recipe="r", weeks=tuple(reversed(weeks)))


def recent(gain):
    compared = Comparison(
        metric="absolute_error",
        higher_is_better=False,
        candidate=1.0 - gain,
        baseline=1.0,
        difference=None,
    )
    return Evaluation(
        window=Window(AS_OF - 4 * WEEK, AS_OF),
        baseline="naive_forecast",
        rows_digest="",
        rows=100,
        labelled=100,
        days=28,
        entities=10,
        comparisons=(compared,),
        findings=(),
    )


def noisy(mean, weeks=26, sd=0.2):
    drawn = np.random.default_rng(1).normal(size=weeks) * sd
    return mean + drawn - drawn.mean()


def judged(spec, gains, gain):
    return replay_findings(spec, AS_OF, record(gains), recent(gain))


@pytest.mark.parametrize(
    ("gains", "gain", "verdict", "words"),
    [
        (noisy(0.2), 0.1, Verdict.PASS, "better than the naive forecast"),
        (noisy(0.2), -0.1, Verdict.INCONCLUSIVE, "but not on the recent window"),
        (noisy(0.05, sd=0.4), 0.9, Verdict.INCONCLUSIVE, "would be enough in these weeks"),
        (noisy(0.05, 9), 0.1, Verdict.INCONCLUSIVE, "weeks would be enough if the gain"),
        (noisy(-0.5), 0.9, Verdict.FAIL, "is excluded"),
    ],
)
def test_both_the_replayed_weeks_and_the_recent_window_have_to_be_better(
    spec, gains, gain, verdict, words
):
    (finding,) = judged(spec, gains, gain)
    assert (finding.name, finding.verdict, finding.blocking) == (REPLAY, verdict, True)
    assert words in finding.reason, finding.reason
    assert finding.value == pytest.approx(np.mean(gains))
    assert f"in {len(gains)} replayed weeks" in finding.reason


def test_with_few_weeks_or_without_a_replay_the_recent_window_decides(spec):
    assert judged(spec, noisy(0.2, weeks=7), 0.1) == ()
    gate = spec.gates.first_version.model_copy(update={"weeks": 0})
    gates = spec.gates.model_copy(update={"first_version": gate})
    assert judged(spec.model_copy(update={"gates": gates}), noisy(0.2), 0.1) == ()


def test_weeks_before_the_declared_ones_do_not_count(spec):
    gains = np.concatenate([np.full(10, -9.0), noisy(0.2)])
    assert judged(spec, gains, 0.1)[0].value == pytest.approx(0.2)


def test_findings_of_one_window_are_only_shown_where_the_replay_decides(spec):
    baseline = make_finding("recent_window.baseline", Verdict.INCONCLUSIVE, "not shown")
    slices = make_finding("recent_window.slice.shop.a", Verdict.PASS, "no harm")
    assert decided_by_replay([baseline, slices]) == (baseline, slices)
    replayed = judged(spec, noisy(0.2), 0.1)
    shown, kept, decides = decided_by_replay([baseline, slices, *replayed])
    assert [one.blocking for one in (shown, kept, decides)] == [False, True, True]
    assert [is_from_record(one) for one in (decides, baseline)] == [True, False]
