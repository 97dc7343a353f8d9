"""What candidates lose in a week, by the labels that were known at an instant."""

from datetime import timedelta

import numpy as np
import pytest

from pipelines.backtest.versions import naive_as_of, version_as_of
from tests.support.backtest.small_history import MONDAYS, SHOPS, SPEC, UNLABELLED

VERSION = version_as_of(SPEC, MONDAYS[6])
POINTS = 7 * 3 * SHOPS


def test_the_loss_of_a_week_is_the_mean_over_its_labelled_points(losses):
    part = losses.positions(MONDAYS[6])
    predicted = losses.predictions.of(VERSION.serves, part)
    label = losses.history.rows["label"].iloc[part].to_numpy()
    assert losses.points(MONDAYS[6]) == POINTS
    expected = np.abs(label - predicted).mean()
    assert losses.mean(VERSION.serves, MONDAYS[6]) == pytest.approx(expected)
    assert losses.utilities(VERSION.serves, MONDAYS[6]).mean() == pytest.approx(-expected)


def test_labels_count_from_the_instant_at_which_they_matured(losses):
    monday = MONDAYS[6]
    assert losses.points(monday, monday + timedelta(days=4)) == POINTS * 3 // 7 + SHOPS
    assert losses.mean(VERSION.serves, monday, monday) is None
    assert losses.known_from(monday) == monday + timedelta(days=14), "a day after its last point"


def test_a_week_without_labels_has_no_loss(losses):
    assert losses.points(MONDAYS[UNLABELLED]) == 0
    assert losses.mean(VERSION.serves, MONDAYS[UNLABELLED]) is None
    assert not losses.labelled(MONDAYS[UNLABELLED]).any()


def test_newer_fits_lose_less_and_the_naive_forecast_most(losses):
    """The factor grows by 3 % of its first value each day."""
    week = MONDAYS[8]
    old, new = (losses.mean(version_as_of(SPEC, MONDAYS[at]).serves, week) for at in (6, 8))
    assert new < old < losses.mean(naive_as_of(SPEC, week), week)
