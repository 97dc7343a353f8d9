"""Whether everybody was answered in the arm of the hash, while processes follow a ramp late."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import numpy as np
import pandas as pd
import pytest

from pipelines.core.findings import Verdict
from pipelines.gates.canary.assignment import assignment_finding
from pipelines.outcomes.log import (
    NO_STAGE,
    EntityLog,
    answered_in_own_arm,
    assign_entities,
)
from pipelines.predictions.assignment import Allocation, Ramp, arm_of, stage_of

START = datetime(2026, 3, 2, tzinfo=UTC)
RAMP = Ramp(salt="spring", since=(START, START + timedelta(days=2)), shares=(0.1, 0.3))
ENTITIES = pd.DataFrame({"shop": [f"s-{n}" for n in range(300)]})


def answered(hours: float, *, late: float = 0.0, share: float) -> EntityLog:
    """Everybody once, by a service that follows a share, in the store so many hours later."""
    decided = pd.Timestamp(START.replace(tzinfo=None)) + pd.Timedelta(hours=hours)
    allocation = Allocation(salt="spring", share=share)
    rows = pd.DataFrame(
        {
            "event_time": decided,
            "known_time": decided + pd.Timedelta(hours=late),
            "arm": [arm_of({"shop": shop}, allocation).value for shop in ENTITIES["shop"]],
            "version": "1",
            "entity": ENTITIES["shop"],
            "code": np.arange(len(ENTITIES)),
        }
    )
    return EntityLog(rows, ENTITIES)


def verdict(log: EntityLog) -> Verdict:
    return assignment_finding(log, assign_entities(ENTITIES, RAMP), RAMP).verdict


def test_stages_and_arms_are_those_of_serving() -> None:
    where = assign_entities(ENTITIES, RAMP)
    for n, shop in enumerate(ENTITIES["shop"]):
        stage = stage_of({"shop": shop}, "spring", (0.1, 0.3))
        assert where.stage[n] == (NO_STAGE if stage is None else stage)
    assert set(where.stage.tolist()) == {0, 1, NO_STAGE}


@pytest.mark.parametrize(
    ("hours", "late", "share", "wanted"),
    [
        (1, 0, 0.1, Verdict.PASS),
        (49, 0, 0.3, Verdict.PASS),
        (48.5, 0, 0.1, Verdict.PASS),  # a process had not seen the second stage yet
        (47, 2, 0.3, Verdict.PASS),  # decided as of before it, answered after it
        (0.5, 0, 0.0, Verdict.PASS),  # nor the first
        (60, 0, 0.1, Verdict.FAIL),  # half a day later the first is still served
        (24, 0, 0.3, Verdict.FAIL),  # a stage that had not begun
    ],
)
def test_an_answer_follows_a_past_share(
    hours: float, late: float, share: float, wanted: Verdict
) -> None:
    assert verdict(answered(hours, late=late, share=share)) is wanted


def test_another_salt_is_found_and_does_not_count() -> None:
    log = answered(1, share=0.1)
    other = Allocation(salt="autumn", share=0.1)
    log.rows["arm"] = [arm_of({"shop": shop}, other).value for shop in ENTITIES["shop"]]
    found = assignment_finding(log, assign_entities(ENTITIES, RAMP), RAMP)
    assert found.verdict is Verdict.FAIL
    assert found.name == "canary.sample_ratio.assignment"
    rows = answered_in_own_arm(log, assign_entities(ENTITIES, RAMP))
    right = [arm_of({"shop": s}, Allocation(salt="spring", share=0.3)) for s in ENTITIES["shop"]]
    assert all(log.rows["arm"][n] == right[n].value for n in np.flatnonzero(rows))


def test_no_answer_is_no_data() -> None:
    log = answered(1, share=0.1)
    assert verdict(log.select(log.rows["event_time"].isna())) is Verdict.NO_DATA
