"""Which declaration would have done best, and what the first half alone would have said."""

import pytest

from pipelines.backtest.choice import choose
from pipelines.backtest.live import Live
from pipelines.backtest.policies import Step
from pipelines.backtest.summary import Replayed
from pipelines.backtest.versions import version_as_of
from tests.support.backtest.small_history import MONDAYS, SPEC

WEEKS = MONDAYS[4:12]
OLD = version_as_of(SPEC, MONDAYS[4])


@pytest.fixture(scope="module")
def live(losses):
    return Live(losses, SPEC, WEEKS)


def replayed(live, name, group, versions):
    steps = [Step(at, version, "kept") for at, version in zip(WEEKS, versions, strict=True)]
    return Replayed(name, "", group, True, steps, live.weekly(steps), frozenset())


NEWEST = [version_as_of(SPEC, at) for at in WEEKS]
LATE = [*[OLD] * 4, *NEWEST[4:]]  # stale in the first half only
EARLY = [*NEWEST[:4], *[NEWEST[3]] * 4]


def test_rows_that_are_no_declaration_are_not_chosen(live):
    declared = replayed(live, "likely", "preset", LATE)
    simple = [
        replayed(live, "always", "simple", NEWEST),
        replayed(live, "never", "simple", [OLD] * 8),
    ]
    bounds = [replayed(live, "hindsight", "hindsight", NEWEST)]
    found = choose(live, [declared, *simple, *bounds], declared)
    assert (found.declared, found.best_declaration) == ("likely", "likely")
    assert found.best_simple == "always"
    assert found.gain is None
    assert found.as_good == ("likely",)


def test_the_first_half_may_choose_another_declaration(live):
    declared, other = (
        replayed(live, "likely", "preset", LATE),
        replayed(live, "better", "preset", EARLY),
    )
    simple = replayed(live, "never", "simple", [OLD] * 8)
    found = choose(live, [declared, other, simple], declared)
    assert found.chosen_on_first_half == "better"
    assert found.second_half.estimate > 0, "it got stale later"
    assert (
        found.best_declaration == min((declared, other), key=lambda one: live.mean(one.weekly)).name
    )
