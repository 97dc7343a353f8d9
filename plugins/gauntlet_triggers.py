"""Triggers: let a task wait without holding a worker."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Any

from airflow.triggers.base import BaseTrigger, TriggerEvent

LONGEST_NAP_S = 60.0  # interval between clock checks: the clock may be set, and a machine may sleep


class UntilTrigger(BaseTrigger):
    """Waits until an instant. The instant itself is stored, so that after a restart of any
    component, however long it takes, the wait continues until the same instant.

    Arguments:
        instant: ISO 8601 with a zone.
    """

    def __init__(self, instant: str) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.instant = instant

    def serialize(self) -> tuple[str, dict[str, Any]]:
        """The form in which Airflow's database stores it."""
        return ("gauntlet_triggers.UntilTrigger", {"instant": self.instant})

    async def run(self) -> AsyncIterator[TriggerEvent]:
        """Sleep until the instant, then send an event."""
        until = datetime.fromisoformat(self.instant)
        while (left := (until - datetime.now(UTC)).total_seconds()) > 0:
            await asyncio.sleep(min(left, LONGEST_NAP_S))
        yield TriggerEvent(self.instant)
