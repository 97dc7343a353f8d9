"""Effects of the small pharmacy's model on live traffic."""

from __future__ import annotations

from datetime import datetime

from pipelines.causal.report import ArmsOf, EffectsReport
from pipelines.connections import Connections
from pipelines.flows.effects.comparison import EffectsRequest
from pipelines.flows.effects.measure import measure_effects


def effects_of(
    parts: Connections, as_of: datetime, version: str | None = None, arms: ArmsOf = "canary"
) -> EffectsReport:
    """What ``gauntlet effects demand`` reports."""
    return measure_effects(EffectsRequest("demand", as_of, version, arms), parts.release)
