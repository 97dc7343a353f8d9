"""Policies on the measured weeks: mean losses, and how sure their difference is."""

import numpy as np
import pytest

from pipelines.backtest.live import Live
from pipelines.backtest.policies import Step
from pipelines.backtest.versions import naive_as_of, version_as_of
from tests.support.backtest.small_history import MONDAYS, SPEC, UNLABELLED

WEEKS = MONDAYS[6:12]
OLD = version_as_of(SPEC, MONDAYS[6])


@pytest.fixture(scope="module")
def live(losses):
    return Live(losses, SPEC, WEEKS)


def kept(version):
    return [Step(at, version, "kept") for at in WEEKS]


NEWEST = [Step(at, version_as_of(SPEC, at), "promoted") for at in WEEKS]


def test_weeks_without_labels_are_not_measured(live):
    missing = WEEKS.index(MONDAYS[UNLABELLED])
    assert [place for place, there in enumerate(live.measured) if not there] == [missing]
    assert live.points[missing] == 0
    weekly = live.weekly(kept(OLD))
    assert np.isnan(weekly[missing])
    assert live.mean(weekly) == pytest.approx(np.nanmean(weekly)), "all weeks have as many points"


def test_before_the_first_version_the_naive_forecast_answers(live, losses):
    weekly = live.weekly(kept(None))
    assert weekly[0] == losses.mean(naive_as_of(SPEC, WEEKS[0]), WEEKS[0])


def test_a_difference_is_that_of_the_mean_losses_on_the_same_points(live):
    gap = live.difference(kept(OLD), NEWEST)
    expected = live.mean(live.weekly(kept(OLD))) - live.mean(live.weekly(NEWEST))
    assert gap.estimate == pytest.approx(expected)
    assert gap.estimate > 0
    assert gap.standard_error > 0


def test_the_same_versions_in_force_differ_by_nothing(live):
    assert live.difference(kept(OLD), kept(OLD)) is None
    first = np.arange(len(WEEKS)) == 0
    assert live.difference(kept(OLD), NEWEST, first) is None, "the old one is the newest there"


def test_a_week_alone_has_its_own_difference(live):
    last = np.arange(len(WEEKS)) == len(WEEKS) - 1
    gap = live.difference(kept(OLD), NEWEST, last)
    assert gap.estimate == pytest.approx(live.loss(kept(OLD)[-1]) - live.loss(NEWEST[-1]))
    assert len(live.quarters(kept(OLD), NEWEST)) == 1
