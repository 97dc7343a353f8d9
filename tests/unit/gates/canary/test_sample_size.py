"""A canary that can promote no challenger is reported before it has cost weeks."""

from __future__ import annotations

import copy
from datetime import UTC, datetime, timedelta
from typing import Any

import ibis
import pandas as pd

from pipelines.gates.canary.sample_size import LISTED, sample_size_problems
from pipelines.spec.model import ModelSpec
from tests.support.pharmacy import RICH, declaration
from tests.support.rollout_factory import ROLLOUT

NOW = datetime(2026, 3, 2, tzinfo=UTC)
WEEKS = ROLLOUT["canary"]["weeks"]
COUNTS = {"community": 60, "hospital": 40, "online": 19}
NEVER = "no challenger could be promoted"


def requested(
    *segments: dict[str, Any],
    counts: dict[str, int] = COUNTS,
    ago: timedelta = timedelta(days=1),
    **canary: Any,
) -> list[str]:
    """Problems of a canary among so many pharmacies of each kind, requested so long ago."""
    rollout = copy.deepcopy(ROLLOUT)
    rollout["canary"] |= {"segments": list(segments), "stages": [0.5], **canary}
    spec = ModelSpec.model_validate(declaration(RICH, rollout=rollout))
    kinds = [kind for kind, number in counts.items() for _ in range(number)]
    at = pd.Timestamp((NOW - ago).replace(tzinfo=None)).as_unit("us")
    rows = pd.DataFrame({"kind": kinds, "medicine": "m1"}).reset_index(names="pharmacy")
    rows["pharmacy"] = rows["pharmacy"].map("p{}".format)
    points = rows.assign(decision_time=at)
    events = rows.assign(event_time=at, known_time=at)
    twice = pd.concat([points, points])  # an entity counts once, however often it is asked about
    return sample_size_problems(
        spec, ibis.memtable(twice), {"dispensing": ibis.memtable(events)}, NOW
    )


def of_kind(*values: str) -> dict[str, Any]:
    return {"column": "kind", "values": values, "margin": 0.5}


def test_a_canary_that_can_be_filled_is_no_mistake() -> None:
    assert requested(of_kind("community", "hospital"), minimum_entities=20) == []


def test_the_last_stage_has_to_hold_the_least_number_of_entities() -> None:
    """119 entities, half of them in each arm: 59 is the most that can be wanted."""
    assert requested(minimum_entities=59) == []
    [reported] = requested(minimum_entities=60)
    assert reported.startswith("rollout.canary: 119 entities in the last 2 weeks, 0.5 of which")
    assert "about 60; wanted minimum_entities 60" in reported
    assert NEVER in reported
    [ramp] = requested(minimum_entities=59, stages=[0.1, 0.4])
    assert "0.4 of which are in each arm at the last stage, about 48" in ramp


def test_a_misspelt_value_is_reported_with_what_it_was_meant_to_be() -> None:
    [reported] = requested(of_kind("hospitl", "community"), minimum_entities=20)
    assert "rollout.canary.segments.kind: no entity in the last 2 weeks is 'hospitl'" in reported
    assert "there are 'hospital' (40) and 2 others" in reported
    assert NEVER in reported


def test_a_value_that_resembles_none_is_reported_with_those_that_most_have() -> None:
    many = {f"kind {number}": 30 + number for number in range(LISTED + 3)}
    [reported] = requested(of_kind("zzz"), counts=many, minimum_entities=20)
    assert f"there are 'kind {LISTED + 2}' ({32 + LISTED})" in reported
    assert "and 3 others" in reported


def test_a_segment_that_cannot_be_filled_is_reported_unless_the_whole_cannot_be() -> None:
    [reported] = requested(of_kind("online", "hospital"), minimum_entities=20)
    assert "segments.kind: 'online' has 19 entities" in reported
    assert "leave it out" in reported
    [whole] = requested(of_kind("online", "hospital"), minimum_entities=100)
    assert whole.startswith("rollout.canary: ")


def test_an_entity_requested_long_ago_does_not_count() -> None:
    assert requested(minimum_entities=20, ago=timedelta(weeks=WEEKS) - timedelta(hours=1)) == []
    [reported] = requested(minimum_entities=20, ago=timedelta(weeks=WEEKS, hours=1))
    assert "rollout.canary: 0 entities" in reported


def test_a_key_can_be_a_segment() -> None:
    by_key = {"column": "medicine", "values": ["m1", "m2"], "margin": 0.5}
    [reported] = requested(by_key, minimum_entities=20)
    assert (
        "segments.medicine: no entity in the last 2 weeks is 'm2'; there are 'm1' (119)" in reported
    )


def test_an_empty_column_is_reported_as_such() -> None:
    [reported] = requested(of_kind("online"), counts={None: 119}, minimum_entities=20)
    assert "is 'online', and nothing is known of any" in reported


def test_without_a_rollout_nothing_is_counted() -> None:
    spec = ModelSpec.model_validate(declaration(RICH))
    assert sample_size_problems(spec, ibis.memtable({"nothing": [1]}), {}, NOW) == []
