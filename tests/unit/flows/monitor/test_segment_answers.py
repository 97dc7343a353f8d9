"""The error of a week is that of the version that served each point."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import numpy as np
import pandas as pd

from pipelines.core.time import Window
from pipelines.flows.monitor.segment_answers import SegmentAnswers, answered_points, versions_in
from pipelines.release.rollout.segment_periods import SegmentPeriod

DAYS = pd.to_datetime(["2026-01-05", "2026-01-06", "2026-01-07"])
SINCE = datetime(2026, 1, 6, tzinfo=UTC)
ROWS = pd.DataFrame(
    [(shop, line, day) for shop in ("a", "b") for line in (7, 8, 9) for day in DAYS],
    columns=["shop", "line", "decision_time"],
)
UNTIL = datetime(2026, 1, 7, tzinfo=UTC)
PERIODS = (
    SegmentPeriod("line", "7", "2", SINCE, None),
    SegmentPeriod("line", "8", "2", datetime(2026, 1, 5, tzinfo=UTC), SINCE),
    SegmentPeriod("line", "8", "3", SINCE, UNTIL),
)


def test_a_version_answers_its_segments_while_it_is_their_champion() -> None:
    found = ROWS[answered_points(PERIODS[:1], "2", ROWS)]
    assert set(found["line"]) == {7}
    assert set(found["decision_time"]) == set(DAYS[1:]), "before, the champion answered"
    assert not answered_points(PERIODS, "1", ROWS).any()


def test_a_missing_key_is_in_no_segment() -> None:
    named_none = (SegmentPeriod("line", "None", "2", SINCE, None),)
    rows = ROWS.assign(line=None)
    assert not answered_points(named_none, "2", rows).any()


def test_a_point_counts_with_the_version_that_was_champion_then() -> None:
    eight = {
        number: list(found.loc[(found["line"] == 8) & (found["shop"] == "a"), "decision_time"])
        for number in ("2", "3")
        if len(found := ROWS[answered_points(PERIODS, number, ROWS)])
    }
    assert eight == {"2": [DAYS[0]], "3": [DAYS[1]]}, "on the last day it was rolled back"


def test_only_versions_that_were_champion_in_the_window_are_read() -> None:
    assert versions_in(PERIODS, Window(SINCE, UNTIL)) == ("2", "3")
    assert versions_in(PERIODS[2:], Window(UNTIL, UNTIL + timedelta(days=1))) == ()


def test_the_answers_that_served_replace_the_champions() -> None:
    replaced = answered_points(PERIODS, "2", ROWS)
    mine = ROWS[replaced].iloc[::-1]
    answers = SegmentAnswers(("shop", "line"), mine.assign(prediction=5.0))
    predictions = np.arange(len(ROWS), dtype=np.float64)
    served, own = answers.replace_in(ROWS, predictions)
    assert (served[replaced] == 5.0).all()
    assert (served[~replaced] == predictions[~replaced]).all()
    assert (own == ~replaced).all()
