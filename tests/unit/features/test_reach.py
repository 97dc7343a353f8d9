"""Reach of each part of a declaration."""

from datetime import timedelta

from pipelines.features.reach import Reach, reaches
from tests.support.feature_frame import declare, window

DAY = timedelta(days=1)


def test_grid_points_reach_back_to_the_event_that_keeps_an_entity_active() -> None:
    spec = declare(
        points={
            "kind": "grid",
            "stream": "sales",
            "keys": ["shop"],
            "every": "1d",
            "active_for": "9d",
        }
    )
    assert reaches(spec.frame) == {"sales": Reach(before=10 * DAY, after=DAY)}


def test_the_longest_window_counts_with_its_lag_and_the_age_of_served_values() -> None:
    spec = declare(
        points={"kind": "event", "stream": "sales", "keys": ["shop"]},
        features=[
            window("count", None, "3d"),
            window("count", None, "14d", lag="2d") | {"name": "other"},
        ],
        serving={"every": "6h", "delay": "2h"},
    )
    found = reaches(spec.frame)["sales"]
    assert found == Reach(before=16 * DAY + timedelta(hours=8), after=DAY, own=True)


def test_a_label_in_the_points_own_row_reaches_no_other_event() -> None:
    spec = declare(
        points={"kind": "event", "stream": "sales", "keys": ["shop"]},
        label={"kind": "own_row", "column": "won", "known_at": "told_at", "horizon": "30d"},
        metric={"name": "log_loss", "minimum_effect": 0.01},
    )
    assert reaches(spec.frame) == {"sales": Reach(own=True)}
