"""Which events an outcome is made of, and which of them came after their time."""

from __future__ import annotations

import copy
import json
from datetime import UTC, datetime, timedelta
from typing import Any

import ibis
import pandas as pd
import pytest

from pipelines.outcomes.events import outcome_events
from pipelines.outcomes.log import EntityLog
from pipelines.outcomes.metrics import MetricSource
from pipelines.spec.model import ModelSpec
from pipelines.spec.points import OwnRowLabel
from tests.support.pharmacy import RICH, declaration
from tests.support.rollout_factory import ROLLOUT

BEGAN = datetime(2026, 3, 2, tzinfo=UTC)
END = BEGAN + timedelta(days=14)
ENTITIES = pd.DataFrame([("p1", "m1"), ("p2", "m1")], columns=["pharmacy", "medicine"])
# pharmacy, days from the canary's start until it was sold and until that was known
SOLD = [
    ("p1", 0.5, 0.6),  # on the day on which it came into its arm, which does not count
    ("p1", 1.2, 6.0),  # in time: the day ends at 2, and four days later is 6
    ("p1", 1.2, 6.1),
    ("p1", 3.0, 30.0),  # known after the instant as of which it is asked
    ("p2", 2.5, 2.6),  # on the day of its first answer
    ("p2", 3.5, 9.0),
    ("p3", 3.5, 9.0),  # in no arm
]


def declared(outcome: str) -> ModelSpec:
    rollout = copy.deepcopy(ROLLOUT)
    rollout["canary"]["outcome"] |= {"name": outcome, "higher_is_better": outcome == "packs_a_sale"}
    return ModelSpec.model_validate(declaration(RICH, rollout=rollout))


def source(spec: ModelSpec) -> MetricSource:
    first = spec.points.keys[0]
    table = pd.DataFrame(SOLD, columns=[first, "event_time", "known_time"])
    table = table.assign(medicine="m1", kind="community", quantity=2.0)
    for column in ("event_time", "known_time"):
        at = BEGAN.replace(tzinfo=None) + pd.to_timedelta(table[column], unit="D")
        table[column] = at.astype("datetime64[us]")
    assert spec.rollout is not None
    tables = {"dispensing": ibis.memtable(table)}
    return MetricSource(spec, spec.rollout, tables, END + timedelta(days=4), ("2", "1"))


def log() -> EntityLog:
    """The first pair is answered on day 0, the second one on day 2."""
    decided = [BEGAN.replace(tzinfo=None) + timedelta(days=days) for days in (0, 2)]
    rows = pd.DataFrame({"event_time": pd.to_datetime(decided), "code": [0, 1]})
    return EntityLog(rows, ENTITIES)


def late(spec: ModelSpec) -> list[tuple[Any, ...]]:
    """Place of the entity, day, events that were late, events."""
    entities = ENTITIES.set_axis(spec.points.keys, axis="columns")
    found = source(spec).late_ratio(EntityLog(log().rows, entities), BEGAN, END)
    assert found is not None
    assert found.weight is not None
    assert found.matured.all()
    return sorted(zip(found.entity, found.day, found.value, found.weight, strict=True))


@pytest.mark.parametrize("outcome", ["packs_a_sale", "absolute_error"])
def test_an_event_is_late_when_its_day_had_counted_without_it(outcome: str) -> None:
    """Of a business measure and of a label alike: both are declared to be known after four days."""
    assert late(declared(outcome)) == [(0, 1, 1, 2), (1, 3, 1, 1)]


@pytest.mark.parametrize("key", ["code", "day", "self"])
def test_a_key_may_have_a_name_that_the_code_uses(key: str) -> None:
    text = json.dumps(declared("packs_a_sale").as_json()).replace('"pharmacy"', f'"{key}"')
    assert late(ModelSpec.model_validate_json(text)) == [(0, 1, 1, 2), (1, 3, 1, 1)]


def test_an_event_that_several_entities_share_is_one_of_each() -> None:
    spec = declared("absolute_error")
    shared = spec.model_copy(update={"label": spec.label.model_copy(update={"by": ("medicine",)})})
    assert late(shared) == [(0, 1, 1, 2), (0, 2, 0, 1), (0, 3, 2, 2), (1, 3, 2, 2)]


def test_where_no_event_is_of_an_entity_nothing_is_reported() -> None:
    spec = declared("absolute_error")
    strange = spec.label.model_copy(update={"by": ("kind",)})
    own = OwnRowLabel(kind="own_row", column="quantity", known_at="at", horizon=timedelta(days=7))
    for label in (strange, own):
        other = spec.model_copy(update={"label": label})
        assert other.rollout is not None
        assert outcome_events(other, other.rollout) is None
    instant = declared("latency_ms")
    assert instant.rollout is not None
    assert outcome_events(instant, instant.rollout) is None
