"""What one step of a release did, what stands now, and when to look again."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import Any

from pydantic import Field

from pipelines.core.files import write_bytes
from pipelines.core.findings import Finding
from pipelines.core.formats import StoredFormat
from pipelines.core.records import Instant, Record
from pipelines.flows.collaborators import Parts
from pipelines.gates.canary.looks import Look
from pipelines.release.rollout.state import beside
from pipelines.release.rollout.transition import Stage


class ReleaseAction(StrEnum):
    """What a step came to. Those before ``waits`` are moves in the ledger."""

    APPROVED = "approved"
    SHADOW = "shadow"
    CANARY = "canary"
    PROMOTED = "promoted"
    HOLDBACK = "holdback"
    KEPT = "kept"
    ENDED = "ended"
    ROLLED_BACK = "rolled_back"
    WAITS = "waits"
    AWAITS_PERSON = "awaiting_approval"
    HELD = "held"
    NOTHING = "nothing"

    @property
    def moves(self) -> bool:
        """Whether something changed on live traffic, or may change now."""
        return self not in (
            ReleaseAction.WAITS,
            ReleaseAction.AWAITS_PERSON,
            ReleaseAction.HELD,
            ReleaseAction.NOTHING,
        )


class ReleaseReport(Record):
    """One step of a release."""

    model: str
    as_of: Instant
    action: ReleaseAction
    summary: str
    next_step: str = Field(default="", description="what a person can do, where one is needed")
    champion: str | None = Field(description="version that serves now")
    challenger: str | None = Field(
        default=None, description="version beside it on live traffic now"
    )
    stage: Stage | None = Field(default=None, description="in which that one stands")
    share: float = Field(default=0.0, description="of entities, in each arm")
    since: Instant | None = Field(default=None, description="when that stage began")
    weeks: int = Field(default=0, description="whole matured weeks that counted")
    planned_weeks: int = Field(default=0, description="weeks until the end")
    findings: tuple[Finding, ...] = ()
    looks: tuple[Look, ...] = ()
    planned_looks: tuple[int, ...] = ()
    next_look: Instant | None = Field(
        default=None, description="when to look again; null: nothing is awaited"
    )


def report(
    model: str, as_of: datetime, parts: Parts, act: ReleaseAction, summary: str, **more: Any
) -> ReleaseReport:
    """A report with what stands on live traffic now, as the ledger has it."""
    chain = parts.ledger.entries(model)
    move = beside(chain)
    since = [e.recorded_at for e in chain if move is not None and e.transition == move]
    return ReleaseReport(
        model=model,
        as_of=as_of,
        action=act,
        summary=summary,
        champion=chain[-1].champion_after if chain else None,
        challenger=move.challenger if move else None,
        stage=move.stage if move else None,
        share=move.share if move else 0.0,
        since=since[-1] if since else None,
        **more,
    )


def save_evidence(parts: Parts, model: str, run: str, evidence: Record) -> None:
    """Keep what a move follows from, before it is made: ``<home>/releases/<model>/<run>.json``.

    The ledger has the findings, which suffice to judge again; this has the sums behind them.
    """
    path = parts.home / "releases" / model / f"{run}.json"
    stored = StoredFormat("release evidence", type(evidence))
    write_bytes(path, (stored.to_text(evidence) + "\n").encode())
