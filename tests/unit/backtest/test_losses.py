"""What candidates lose in a week, by the labels that were known at an instant."""

from datetime import timedelta

import numpy as np
import pytest

from pipelines.backtest.history import History
from pipelines.backtest.predictions import Predictions
from pipelines.backtest.versions import naive_as_of, version_as_of
from pipelines.training.columns import labelled_rows
from pipelines.training.fit import fit
from pipelines.training.sample import limited_rows
from pipelines.training.score import predict
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


def test_a_limit_of_the_training_rows_is_another_fit_of_the_sample(losses):
    """Predictions are kept by what they depend on, and the naive forecast has no limit."""
    history = losses.history
    split = SPEC.split.model_copy(update={"max_rows": 100})
    other = History(SPEC.model_copy(update={"split": split}), history.rows)
    kept = losses.predictions
    limited = Predictions(other, kept.folder, kept.near, in_sample_span=kept.in_sample_span)
    part, candidate = losses.positions(MONDAYS[6]), VERSION.serves
    whole = kept.of(candidate, part)
    rows = history.frame(history.part(candidate.train), candidate.labels_as_of)
    sample = limited_rows(other.spec, labelled_rows(rows))
    assert len(sample) == 100
    expected = predict(
        fit(SPEC, sample, 1).pipeline, SPEC, history.inputs(np.arange(part.start, part.stop))
    )
    assert np.array_equal(limited.of(candidate, part), expected)
    assert not np.array_equal(whole, expected)
    naive = naive_as_of(SPEC, MONDAYS[6])
    assert np.array_equal(limited.of(naive, part), kept.of(naive, part))
