"""A challenger that waits for live traffic becomes the champion of segments, without traffic."""

from __future__ import annotations

from datetime import datetime

import pandas as pd

from pipelines.connections import Connections
from pipelines.core.time import Window
from pipelines.flows.frames import window_rows
from pipelines.flows.release.apply import apply_action
from pipelines.gates.canary.arm_rows import declared_rollout
from pipelines.gates.canary.segment_names import segment_gain_name
from pipelines.gates.canary.sums import CanaryEvidence, PeriodSums
from pipelines.gates.canary.verdict import CanaryStep, CanaryVerdict
from pipelines.release.rollout.evidence import CanaryCheck
from pipelines.release.rollout.recording import StageChange, record_transition
from pipelines.release.rollout.stages import shadow_transition
from pipelines.release.rollout.state import ReleaseState
from pipelines.release.rollout.transition import Stage
from pipelines.release.rollout.trial_action import canary_action
from pipelines.release.verification import verified_entries
from tests.support.promotion_home import passing

_NOTHING = PeriodSums(arms=())
_EVIDENCE = CanaryEvidence(
    elapsed_days=0, cumulative_weeks=(), latest_week=_NOTHING, to_date=_NOTHING, days_in_week=()
)


def win_segments(parts: Connections, column: str, *values: str, at: datetime) -> ReleaseState:
    """Promote the version that waits for live traffic for these segments.

    The findings of its canary are made up; the policy, the ledger and the aliases are the real
    ones.
    """
    ledger = parts.ledger
    state = _state(parts)
    admitted = state.next_challenger
    assert admitted is not None
    assert admitted.candidate is not None
    version = parts.versions.load("demand", admitted.candidate)
    rollout = declared_rollout(version)
    canary = rollout.canary.model_copy(update={"promote": "segments"})
    shadow = shadow_transition(admitted, rollout)
    in_canary = shadow.model_copy(update={"stage": Stage.CANARY, "share": canary.stages[0]})
    for transition in (shadow, in_canary):
        change = StageChange(origin=admitted, transition=transition, reason="a test")
        record_transition(_state(parts), change, ledger, at)
    verdict = CanaryVerdict(
        step=CanaryStep.PROMOTE_SEGMENTS,
        reasons=("a test",),
        findings=passing(*(segment_gain_name(column, value) for value in values)),
        looks=(),
        weeks=canary.weeks,
        planned_weeks=canary.weeks,
        planned_looks=canary.looks,
        level=0.05,
        gaining=values,
    )
    segments = [{"column": column, "values": list(values), "margin": 0.1}]
    declared = type(canary).model_validate(canary.as_json() | {"segments": segments})
    check = CanaryCheck(
        rollout=rollout.model_copy(update={"canary": declared}),
        evidence=_EVIDENCE,
        verdict=verdict,
        week_ends=(),
        budget=version.spec.gates.budget,
    )
    state = _state(parts)
    assert state.trial is not None
    _, state = apply_action(canary_action(state, state.trial, check, at), state, at, parts.release)
    assert state.segments is not None, state.head
    return state


def points_of(parts: Connections, version: str, window: Window) -> pd.DataFrame:
    """Decision points with the features of a version, as known at the end of a window."""
    spec = parts.versions.load("demand", version).spec
    events = parts.open_events(spec)
    snapshot = events.snapshot(spec.streams, window.end)
    with events.tables(snapshot, spec.streams) as tables:
        return window_rows(events, spec, snapshot, tables, window)


def _state(parts: Connections) -> ReleaseState:
    return ReleaseState.from_entries("demand", verified_entries("demand", parts.ledger))
