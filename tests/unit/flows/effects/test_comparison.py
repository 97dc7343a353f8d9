"""Which arms are read, from the ledger's entries."""

from __future__ import annotations

import dataclasses
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from pipelines.causal.report import ArmsOf
from pipelines.core.errors import DataError, SpecError
from pipelines.flows.effects.comparison import ArmComparison, EffectsRequest, find_comparison
from pipelines.release.ledger import Entry, NewEntry

START = datetime(2026, 3, 2, tzinfo=UTC)
DAY = timedelta(days=1)


def chain(*steps: tuple[str, str, str]) -> list[Entry]:
    """One entry a day: a stage or kind, the version that it is about, the champion after it."""
    entries: list[Entry] = []
    champion: str | None = None
    for day, (what, version, after) in enumerate(steps):
        body: dict[str, Any] = {
            "model": "demand",
            "kind": "rollout",
            "run": f"run-{day}",
            "as_of": START + day * DAY,
            "champion_before": champion,
            "champion_after": after,
            "reasons": ("a test",),
        }
        if what in ("shadow", "canary", "promoted", "holdback", "ended"):
            share = {"canary": 0.1, "holdback": 0.05}.get(what, 0.0)
            salt = f"{version}-{what == 'holdback'}"
            transition = {"challenger": version, "stage": what, "salt": salt, "share": share}
            body["transition"] = transition
        else:
            body["kind"] = what
        draft = NewEntry.model_validate(body)
        entries.append(Entry.append_to(draft, entries[-1] if entries else None, START + day * DAY))
        champion = after
    return entries


WON = (
    ("first_version", "1", "1"),
    ("shadow", "2", "1"),
    ("canary", "2", "1"),
    ("promoted", "2", "2"),
    ("holdback", "1", "2"),
)
NEXT = (("shadow", "3", "2"), ("canary", "3", "2"))


def found(
    entries: list[Entry], version: str | None = None, arms: ArmsOf = "canary"
) -> ArmComparison:
    return find_comparison(EffectsRequest("demand", START, version, arms), entries)


def test_a_canary_ends_with_the_promotion_and_a_holdback_goes_on():
    canary = found(chain(*WON))
    assert (canary.version, canary.other) == ("2", "1")
    assert (canary.ramp.began, canary.ended) == (START + 2 * DAY, START + 3 * DAY)
    holdback = found(chain(*WON), arms="holdback")
    assert (holdback.version, holdback.other, holdback.ended) == ("2", "1", None)
    assert holdback.ramp.shares == (0.05,)


def test_the_newest_canary_is_read_unless_a_version_is_named():
    entries = chain(*WON, ("ended", "1", "2"), *NEXT)
    newest = found(entries)
    assert (newest.version, newest.other, newest.ended) == ("3", "2", None)
    assert found(entries, "2").version == "2"
    assert found(entries, arms="holdback").ended == START + 5 * DAY
    shadow_only = chain(*WON, ("ended", "1", "2"), NEXT[0])
    assert found(shadow_only).version == "2", "version 3 has no arms yet"


def test_a_second_rollout_in_shadow_does_not_hide_the_first_canary():
    entries = chain(*WON[:3], ("ended", "2", "1"), ("shadow", "2", "1"))
    first = found(entries)
    assert (first.ramp.began, first.ended) == (START + 2 * DAY, START + 3 * DAY)


def test_segments_with_other_controls_and_those_that_left_are_named():
    entries = chain(*WON[:3])
    found_arms = found(entries)
    ramp = found_arms.ramp.model_copy(
        update={
            "control_column": "line",
            "control": {"7": "4", "8": "4"},
            "apart_column": "line",
            "apart_since": {"8": START + 2 * DAY, "9": START + 3 * DAY},
        }
    )
    arms = dataclasses.replace(found_arms, ramp=ramp).segment_arms
    assert [(one.name, one.control, one.left) for one in arms] == [
        ("line = 7", "4", None),
        ("line = 8", "4", START + 2 * DAY),
        ("line = 9", "1", START + 3 * DAY),
    ]


def test_a_champion_that_changes_by_hand_ends_the_arms():
    moved = found(chain(*WON, ("rollback", "1", "1")), arms="holdback")
    assert moved.ended == START + 5 * DAY


def test_what_is_missing_is_named():
    with pytest.raises(SpecError, match="never on live traffic"):
        found(chain(*WON), "9")
    with pytest.raises(DataError, match="no version was on live traffic"):
        found(chain(WON[0]))
    with pytest.raises(DataError, match="version 2: shadow"):
        found(chain(*WON[:2]))
    with pytest.raises(DataError, match="no holdback to read"):
        found(chain(*WON[:3]), arms="holdback")
