"""Who belongs to a segment, and who stays out of the arms."""

from __future__ import annotations

from datetime import UTC, datetime

import numpy as np
import pytest

from pipelines.predictions.assignment import Allocation, Ramp, arm_of
from pipelines.predictions.segments import SegmentValues, segment_of, segment_text
from pipelines.spec.predictions import Arm

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)
LINES = SegmentValues(column="line", values=("7", "true"))


@pytest.mark.parametrize(
    ("value", "text"),
    [(7, "7"), (np.int64(7), "7"), (True, "true"), (np.bool_(False), "false"), ("True", "True")],
)
def test_a_value_is_written_as_a_declaration_writes_it(value: object, text: str) -> None:
    assert segment_text(value) == text


def test_an_entity_belongs_by_its_key() -> None:
    assert LINES.contains({"line": 7, "shop": "a"})
    assert LINES.contains({"line": True})
    assert not LINES.contains({"line": "70"})
    assert not LINES.contains({"shop": "7"})
    assert segment_of({"line": None}, "line") is None


def test_segments_that_are_apart_are_in_no_arm_and_change_no_other_arm() -> None:
    entities = [{"line": line, "shop": shop} for line in (6, 7) for shop in range(200)]
    before = Allocation(salt="spring", share=0.5)
    after = before.model_copy(update={"apart": LINES})
    for entity in entities:
        apart = entity["line"] == 7
        assert arm_of(entity, after) is (Arm.CHAMPION if apart else arm_of(entity, before))


def test_a_ramp_knows_when_a_segment_left_and_which_version_answers_its_control_arm() -> None:
    ramp = Ramp(
        salt="spring",
        since=(NOON,),
        shares=(0.5,),
        apart_column="line",
        apart_since={"7": NOON},
        control_column="shop",
        control={"a": "4"},
    )
    assert ramp.left_at({"line": 7, "shop": "a"}) == NOON
    assert ramp.left_at({"line": 6, "shop": "a"}) is None
    assert ramp.control_version({"line": 6, "shop": "a"}, "1") == "4"
    assert ramp.control_version({"line": 6, "shop": "b"}, "1") == "1"
