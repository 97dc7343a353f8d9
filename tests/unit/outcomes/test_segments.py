"""Where an entity belongs is what was known of it before its arm could have changed anything."""

from __future__ import annotations

import copy
from datetime import UTC, datetime, timedelta
from typing import Any

import ibis
import numpy as np
import pandas as pd
import pytest

from pipelines.outcomes.metrics import MetricSource
from pipelines.outcomes.segments import segment_members
from pipelines.spec.model import ModelSpec
from tests.support.pharmacy import RICH, declaration
from tests.support.rollout_factory import ROLLOUT

BEGAN = datetime(2026, 3, 2, tzinfo=UTC)
ENTITIES = pd.DataFrame(
    [("p1", "m1"), ("p2", "m1"), ("p3", "m1"), ("p4", "m1")], columns=["pharmacy", "medicine"]
)
# pharmacy, kind, days from the canary's start until it happened and until it was known
ANSWERS = [
    ("p1", "community", -30, -29),
    ("p1", "hospital", -3, -2),  # the newest that was known when it began
    ("p1", "online", -1, 2),  # happened before it and became known later
    ("p1", "online", 5, 6),
    ("p2", "community", -9, -8),
    ("p2", None, -2, -1),  # says nothing
    ("p3", "hospital", 3, 9),  # a newcomer: the first that became known
    ("p3", "community", 4, 5),
    ("p3", "online", 20, 21),
]
COLUMNS = ["pharmacy", "kind", "event_time", "known_time"]


def source(*segments: dict[str, Any], rows: list[tuple[Any, ...]] = ANSWERS) -> MetricSource:
    rollout = copy.deepcopy(ROLLOUT)
    rollout["canary"]["segments"] = list(segments)
    spec = ModelSpec.model_validate(declaration(RICH, rollout=rollout))
    assert spec.rollout is not None
    table = pd.DataFrame(rows, columns=COLUMNS).assign(medicine="m1")
    for column in ("event_time", "known_time"):
        at = BEGAN.replace(tzinfo=None) + pd.to_timedelta(table[column], unit="D")
        table[column] = at.astype("datetime64[us]")
    tables = {"dispensing": ibis.memtable(table)}
    return MetricSource(spec, spec.rollout, tables, BEGAN + timedelta(days=28), ("2", "1"))


def members(of: MetricSource) -> dict[str, list[str]]:
    code = np.array([3, 2, 0, 1])
    parts = segment_members(of, ENTITIES, code, BEGAN)
    pharmacies = ENTITIES["pharmacy"].to_numpy()[code]
    return {name: sorted(pharmacies[part.members]) for name, part in parts.items()}


def kind(*values: str, **more: Any) -> dict[str, Any]:
    return {"column": "kind", "values": values, "margin": 0.5, **more}


def test_nothing_that_came_after_the_start_moves_anybody() -> None:
    assert members(source(kind("hospital", "community", "online"))) == {
        "packs_a_sale.kind.hospital": ["p1"],
        "packs_a_sale.kind.community": ["p2", "p3"],
        "packs_a_sale.kind.online": [],
    }, "p4 was never heard of and is in no segment"


def test_the_order_of_rows_does_not_matter() -> None:
    declared = kind("hospital", "community")
    tie = [*ANSWERS, ("p4", "hospital", -3, -2), ("p4", "community", -3, -2)]
    assert members(source(declared, rows=tie)) == members(source(declared, rows=tie[::-1]))


def test_a_key_needs_no_event_and_a_segment_may_be_of_a_guardrail() -> None:
    declared = {"column": "pharmacy", "values": ["p4", "p 9"], "metric": "error_share"}
    found = members(source({**declared, "margin": 0.1}))
    assert list(found.values()) == [["p4"], []]
    first, second = found
    assert first == "error_share.pharmacy.p4"
    assert second.startswith("error_share.pharmacy.p_9-"), "a name, and a hash that keeps it apart"


def test_a_missing_key_is_in_no_segment() -> None:
    of = source(
        {"column": "pharmacy", "values": ["None", "nan"], "metric": "error_share", "margin": 0.1}
    )
    entities = ENTITIES.assign(pharmacy=ENTITIES["pharmacy"].where(ENTITIES["pharmacy"] != "p4"))
    found = segment_members(of, entities, np.arange(len(entities)), BEGAN)
    assert not any(part.members.any() for part in found.values())


def test_as_of_an_instant_nothing_later_is_known() -> None:
    of = source(kind("community"))
    early = MetricSource(of.spec, of.rollout, of.tables, BEGAN + timedelta(days=1), of.versions)
    assert members(early) == {"packs_a_sale.kind.community": ["p2"]}


@pytest.mark.parametrize(("value", "text"), [(True, "true"), (False, "false")])
def test_a_boolean_is_written_as_in_the_declaration(value: bool, text: str) -> None:
    rows = [("p1", value, -3, -2)]
    assert list(members(source(kind(text), rows=rows)).values()) == [["p1"]]
