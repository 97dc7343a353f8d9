"""From the steps of a policy to its row: promotions, what followed them, its worst weeks."""

import numpy as np
import pytest

from pipelines.backtest.live import Live
from pipelines.backtest.policies import Step
from pipelines.backtest.reasons import Reason
from pipelines.backtest.summary import Replayed, summarize
from pipelines.backtest.versions import version_as_of
from tests.support.backtest.small_history import MONDAYS, SPEC, UNLABELLED

WEEKS = MONDAYS[4:12]
OLD, NEW = (version_as_of(SPEC, MONDAYS[place]) for place in (4, 6))
AGAINST = (Reason(finding="refresh.age", text="young"),)


@pytest.fixture(scope="module")
def live(losses):
    return Live(losses, SPEC, WEEKS)


def replayed(live, steps, name="likely"):
    return Replayed(name, "a title", "preset", True, steps, live.weekly(steps), frozenset())


def steps_of(*events):
    """Steps from pairs of the version in force and what happened."""
    return [
        Step(at, version, event, AGAINST if event == "kept" else ())
        for at, (version, event) in zip(WEEKS, events, strict=True)
    ]


ONCE = steps_of(
    (None, "kept"), (OLD, "first"), (NEW, "promoted"), *[(NEW, "kept")] * 4, (NEW, "no_candidate")
)
STOPPED = steps_of(
    (OLD, "first"), (OLD, "kept"), (NEW, "promoted"), (OLD, "stopped"), *[(OLD, "kept")] * 4
)


def test_a_promotion_is_followed_for_four_weeks(live, losses):
    found = summarize(live, one := replayed(live, ONCE), one, one)
    assert (found.promotions, found.stops, found.followed) == (1, 0, 1)
    assert found.weeks_without_version == 1
    assert found.first_version == WEEKS[1].date()
    first, second = found.changes
    assert (first.replaced, second.replaced) == (None, OLD.as_of.date())
    weeks = [at for at in WEEKS[2:6] if at != MONDAYS[UNLABELLED]]
    gaps = [losses.mean(NEW.serves, at) - losses.mean(OLD.serves, at) for at in weeks]
    assert second.following == pytest.approx(np.mean(gaps))
    assert (found.lost, found.bad) == (0, 0), "the newer one is better"


def test_a_promotion_of_an_older_version_is_lost_and_bad(live):
    back = steps_of(*[(None, "kept")] * 2, (NEW, "first"), *[(OLD, "promoted")] * 5)
    found = summarize(live, one := replayed(live, back), one, one)
    assert (found.followed, found.lost, found.bad) == (1, 1, 1)


def test_a_promotion_without_four_weeks_after_it_is_not_followed(live):
    late = steps_of(*[(OLD, "first")] * 6, *[(NEW, "promoted")] * 2)
    found = summarize(live, one := replayed(live, late), one, one)
    assert (found.promotions, found.followed) == (1, 0)


def test_a_stop_is_no_promotion(live):
    found = summarize(live, one := replayed(live, STOPPED), one, one)
    assert (found.promotions, found.stops) == (1, 1)
    assert [change.stopped for change in found.changes] == [False, False, True]


def test_findings_against_candidates_are_counted_by_week(live):
    found = summarize(live, one := replayed(live, STOPPED), one, one)
    assert found.held_back == {"refresh.age": 5}


def test_the_worst_weeks_are_those_furthest_above_the_best_policy(live):
    newest = steps_of(*((version_as_of(SPEC, at), "promoted") for at in WEEKS))
    old = steps_of(*[(OLD, "kept")] * 8)
    best, one = replayed(live, newest), replayed(live, old)
    found = summarize(live, one, best, one)
    assert found.worst.last == WEEKS[-1].date(), "it only gets older"
    assert found.worst.excess > 0
    assert summarize(live, best, best, one).worst is None


def test_a_canary_that_promotes_nothing_is_counted(live):
    trial = [
        Step(WEEKS[0], OLD, "first"),
        Step(WEEKS[1], OLD, "trial", trial=NEW),
        Step(WEEKS[2], OLD, "kept"),
        Step(WEEKS[3], OLD, "trial", trial=NEW),
        *(Step(at, NEW, "promoted") for at in WEEKS[4:]),
    ]
    assert summarize(live, one := replayed(live, trial), one, one).ended_canaries == 1
