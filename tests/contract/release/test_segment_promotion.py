"""Champions of segments, over promotions, refreshes, rollbacks and kills after the ledger.

On SQLite and on PostgreSQL.
"""

from typing import Any
from unittest.mock import patch

import pytest

from pipelines.core.errors import GauntletError, Unavailable
from pipelines.core.findings import Finding
from pipelines.gates.canary.segment_names import segment_gain_name
from pipelines.release.policies import Lane
from pipelines.release.rollback import RollbackRequest, rollback_segments
from pipelines.release.rollout.recording import StageChange, record_transition
from pipelines.release.rollout.segment_champions import SegmentChange, segment_alias
from pipelines.release.rollout.stages import final_transition, shadow_transition
from pipelines.release.rollout.state import ReleaseState, Trial
from pipelines.release.rollout.transition import Stage
from pipelines.spec.rollout import Rollout
from tests.support.promotion_home import AT, CLOCK, Home, inputs, passing
from tests.support.rollout_factory import ROLLOUT

COLUMN = "line"
REFRESH = ("recent_window.maturity", "refresh.looks_better")


@pytest.fixture
def home(either_home: Home) -> Home:
    return either_home


def state(home: Home) -> ReleaseState:
    return ReleaseState.from_entries("demand", home.ledger.entries("demand"))


def on_trial(home: Home, run: str, lane: Lane = "change") -> Trial:
    """The canary of a new version."""
    champion = state(home).champion
    offline = inputs(run, home.register(run), champion, rollout="pending", lane=lane)
    admitted = home.promote(offline.model_copy(update={"findings": _with(offline, *REFRESH)}))
    assert admitted.outcome == "start_rollout", admitted.reasons
    apart = state(home).segments.values if state(home).segments and lane == "refresh" else None
    shadow = shadow_transition(admitted, Rollout.model_validate(ROLLOUT), apart)
    canary = shadow.model_copy(update={"stage": Stage.CANARY, "share": 0.5})
    for transition in (shadow, canary):
        change = StageChange(origin=admitted, transition=transition, reason="x")
        record_transition(state(home), change, home.ledger, AT)
    trial = state(home).trial
    assert trial is not None
    return trial


def _with(given: Any, *names: str) -> tuple[Finding, ...]:
    return (*given.findings, *passing(*names))


def wins(home: Home, trial: Trial, *values: str) -> Any:
    """The decision that ends a canary: for these segments, or for all."""
    stage = Stage.PROMOTED_FOR_SEGMENTS if values else Stage.PROMOTED
    version, champion = trial.challenger, state(home).champion
    facts: dict[str, Any] = {
        "rollout": "complete",
        "lane": trial.admission.lane,
        "segments": values,
        "segment_champions": state(home).segment_champions,
    }
    decided = inputs(f"{trial.run}.{stage}", version, champion, **facts)
    names = [segment_gain_name(COLUMN, value) for value in values] or ["canary.primary"]
    change = SegmentChange(column=COLUMN, values=values, version=version) if values else None
    return home.promote(
        decided.model_copy(
            update={
                "findings": _with(decided, *REFRESH, *names),
                "transition": final_transition(trial, stage),
                "segments": change,
            }
        )
    )


def aliases(home: Home) -> dict[str, str | None]:
    found = {value: home.registry.alias("demand", segment_alias(value)) for value in ("7", "8")}
    return {value: version for value, version in found.items() if version is not None}


@pytest.fixture
def second(home: Home, first: str) -> str:
    """A version that a canary promoted for lines 7 and 8."""
    trial = on_trial(home, "run-2")
    entry = wins(home, trial, "7", "8")
    assert (entry.kind, entry.outcome) == ("segment_promotion", "promote_segments"), entry.reasons
    assert (home.alias, aliases(home)) == (first, {"7": "2", "8": "2"})
    home.check(first)
    return trial.challenger


def test_a_later_promotion_for_segments_replaces_only_these(
    home: Home, first: str, second: str
) -> None:
    third = on_trial(home, "run-3")
    ramp = state(home).ramp(third.transition.salt)
    controls = [ramp.control_version({COLUMN: line}, first) for line in (7, 8, 9)]
    assert controls == [second, second, first], "measured against what answers there"
    wins(home, third, "8")
    assert aliases(home) == {"7": second, "8": "3"}
    assert state(home).segment_champions == "line 7: version 2, line 8: version 3"
    home.check(first)


def test_a_later_promotion_for_all_answers_everything(home: Home, second: str) -> None:
    assert second in aliases(home).values()
    wins(home, on_trial(home, "run-3"))
    assert (home.alias, aliases(home), state(home).segments) == ("3", {}, None)
    home.check("3")


def test_a_refresh_replaces_the_champion_for_the_others_only(home: Home, second: str) -> None:
    trial = on_trial(home, "run-3", "refresh")
    assert trial.transition.apart is not None
    assert trial.transition.apart.values == ("7", "8"), "they are in no arm of its canary"
    wins(home, trial)
    assert (home.alias, aliases(home)) == ("3", {"7": second, "8": second})
    home.check("3")


@pytest.mark.parametrize("healer", ["the same run", "reconcile"])
def test_a_promotion_that_ended_after_the_ledger_is_finished(
    home: Home, first: str, healer: str
) -> None:
    trial = on_trial(home, "run-2")
    away = patch.object(home.registry, "set_alias", side_effect=Unavailable("away"))
    with away, pytest.raises(Unavailable):
        wins(home, trial, "7")
    assert state(home).segment_champions == "line 7: version 2"
    assert aliases(home) == {}
    if healer == "the same run":
        wins(home, trial, "7")
    home.check(first)
    assert aliases(home) == {"7": "2"}
    assert [one.kind for one in state(home).entries].count("segment_promotion") == 1


def test_a_rollback_without_a_version_is_refused_even_after_an_earlier_one(
    home: Home, first: str
) -> None:
    other = home.register("run-0")
    home.promote(inputs("run-0", other, first))
    home.rollback("undo-1")
    trial = on_trial(home, "run-3")
    wins(home, trial, "7")
    with pytest.raises(GauntletError, match="segments have champions of their own"):
        home.rollback("undo-2")
    assert home.rollback("undo-3", other).champion_after == other
    assert (aliases(home), state(home).segments) == ({}, None)


def test_a_rollback_of_a_segment_leaves_the_others(home: Home, first: str, second: str) -> None:
    request = RollbackRequest("demand", run="undo", reason="a complaint")
    back = rollback_segments(request, ["7"], home.ledger, home.registry, CLOCK)
    assert back.kind == "segment_rollback"
    assert rollback_segments(request, ["7"], home.ledger, home.registry, CLOCK) == back
    assert aliases(home) == {"8": second}
    home.check(first)
