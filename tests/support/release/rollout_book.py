"""A ledger in memory, and the next action of the release that it records."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from pipelines.core.findings import Finding, Gate, Verdict
from pipelines.release.ledger import Entry, NewEntry
from pipelines.release.policies import Lane
from pipelines.release.policy import Decision, Facts, Outcome
from pipelines.release.rollout.actions import NextAction
from pipelines.release.rollout.evidence import Evidence
from pipelines.release.rollout.next_action import next_action
from pipelines.release.rollout.state import ReleaseState
from pipelines.release.rollout.transition import Stage, Transition

NOW = datetime(2026, 3, 2, tzinfo=UTC)
EVIDENCE_HASH = "ab" * 32


class Book:
    """A ledger in memory. Its entries are recorded at ``now``."""

    def __init__(self) -> None:
        self.entries: list[Entry] = []
        self.now = NOW
        self.add("first_version", "first", after="1")

    def add(self, kind: str, run: str, after: str | None = None, **more: object) -> Entry:
        head = self.entries[-1] if self.entries else None
        champion = head.champion_after if head else None
        change = draft(kind, run, champion, after or champion, **more)
        entry = Entry.append_to(change, head, self.now)
        self.entries.append(entry)
        return entry

    def judged(self, version: str, outcome: Outcome, lane: Lane = "change") -> Entry:
        """A decision about a version."""
        run, champion = f"run-{version}", self.entries[-1].champion_after
        findings = (finding("recent_window.primary"),)
        judged = judgement(run, version, champion, outcome, lane)
        return self.add("decision", run, None, findings=findings, **judged)

    def moved(self, stage: Stage, version: str = "2", after: str | None = None) -> Entry:
        """A transition of a version's rollout."""
        transition = Transition(challenger=version, stage=stage, salt="spring")
        kind = "promotion" if after else "rollout"
        return self.add(kind, f"{stage}-{version}", after, transition=transition)

    def next(
        self, evidence: Evidence | None, as_of: datetime = NOW, now: datetime | None = None
    ) -> NextAction:
        state = ReleaseState.from_entries("demand", self.entries)
        return next_action(state, evidence, as_of, now or as_of)


def draft(kind: str, run: str, before: str | None, after: str | None, **more: object) -> NewEntry:
    """An entry to be appended, with the champion before and after it."""
    body = {
        "model": "demand",
        "kind": kind,
        "run": run,
        "as_of": NOW,
        "champion_before": before,
        "champion_after": after,
        "reasons": ("a test",),
    }
    return NewEntry.model_validate(body).model_copy(update=more)


def judgement(
    run: str, version: str, champion: str | None, outcome: Outcome, lane: Lane = "change"
) -> dict[str, Facts | Decision]:
    """The facts and the decision of an entry about a version, as its fields."""
    facts = Facts(
        run=run,
        candidate=version,
        champion=champion,
        champion_at_decision=champion,
        rollout="pending",
        lane=lane,
    )
    decision = Decision(
        outcome=outcome,
        case="offline",
        reasons=("a test",),
        gates=(),
        evidence=EVIDENCE_HASH,
        policy="3",
    )
    return {"facts": facts, "decision": decision}


def finding(name: str, verdict: Verdict = Verdict.PASS) -> Finding:
    gate = Gate(name.split(".", maxsplit=1)[0])
    return Finding(gate=gate, name=name, verdict=verdict, reason="a test")


@pytest.fixture
def book() -> Book:
    return Book()
