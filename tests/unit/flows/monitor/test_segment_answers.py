"""The error of a week is that of the version that served each point."""

from __future__ import annotations

from datetime import UTC, datetime

import numpy as np
import pandas as pd

from pipelines.flows.monitor.segment_answers import SegmentAnswers, answered_points
from pipelines.release.rollout.segment_champions import SegmentChampion, SegmentChampions

DAYS = pd.to_datetime(["2026-01-05", "2026-01-06", "2026-01-07"])
SINCE = datetime(2026, 1, 6, tzinfo=UTC)
ROWS = pd.DataFrame(
    [(shop, line, day) for shop in ("a", "b") for line in (7, 8, 9) for day in DAYS],
    columns=["shop", "line", "decision_time"],
)
CHAMPIONS = SegmentChampions(
    column="line",
    champions={
        "7": SegmentChampion(version="2", since=SINCE),
        "8": SegmentChampion(version="3", since=SINCE),
    },
)


def test_a_version_answers_its_segments_since_it_is_their_champion() -> None:
    found = ROWS[answered_points(CHAMPIONS, "2", ROWS)]
    assert set(found["line"]) == {7}
    assert set(found["decision_time"]) == set(DAYS[1:]), "before, the champion answered"
    assert answered_points(CHAMPIONS, "3", ROWS).sum() == 4
    assert not answered_points(CHAMPIONS, "1", ROWS).any()


def test_the_answers_that_served_replace_the_champions() -> None:
    mine = ROWS[answered_points(CHAMPIONS, "2", ROWS)].iloc[::-1]
    answers = SegmentAnswers(("shop", "line"), mine.assign(prediction=5.0))
    predictions = np.arange(len(ROWS), dtype=np.float64)
    served, own = answers.replace_in(ROWS, predictions)
    replaced = answered_points(CHAMPIONS, "2", ROWS)
    assert (served[replaced] == 5.0).all()
    assert (served[~replaced] == predictions[~replaced]).all()
    assert (own == ~replaced).all()
