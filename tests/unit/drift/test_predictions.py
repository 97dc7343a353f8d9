"""Predictions of a version continue those of earlier fits of its recipe."""

from datetime import UTC, datetime, timedelta

import numpy as np
import pandas as pd

from pipelines.drift.predictions import continued_predictions
from pipelines.drift.profile import reference_profile
from pipelines.drift.version_profile import PREDICTION

MONDAY = datetime(2026, 1, 5, tzinfo=UTC)


def answered(first: int, weeks: int, value: float) -> pd.DataFrame:
    """A prediction a day."""
    days = [MONDAY + timedelta(days=7 * first + day) for day in range(7 * weeks)]
    return pd.DataFrame({"decision_time": days, PREDICTION: value + np.arange(len(days)) % 3})


def test_earlier_weeks_are_kept_until_the_first_own_one() -> None:
    earlier = reference_profile(answered(0, 10, 1.0), [PREDICTION])
    found = continued_predictions(earlier, answered(8, 4, 1.0))
    assert [week.date() for week in found.mondays] == [
        (MONDAY + timedelta(weeks=week)).date() for week in range(12)
    ]
    counts = found.columns[PREDICTION].counts
    assert counts.sum(axis=1).tolist() == [7] * 12, "a week is counted once"


def test_own_predictions_count_in_the_bins_of_earlier_ones() -> None:
    earlier = reference_profile(answered(0, 10, 1.0), [PREDICTION])
    found = continued_predictions(earlier, answered(10, 4, 50.0)).columns[PREDICTION]
    assert found.bins == earlier.columns[PREDICTION].bins
    assert found.counts[-1][-2] == 7, "above the largest earlier prediction"


def test_without_own_rows_nothing_changes() -> None:
    earlier = reference_profile(answered(0, 10, 1.0), [PREDICTION])
    assert continued_predictions(earlier, answered(0, 0, 1.0)) == earlier
