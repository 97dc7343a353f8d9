"""A clock that a test moves, and entries of a ledger."""

from datetime import UTC, datetime
from typing import Any

from pipelines.core.findings import Finding, Gate, Verdict
from pipelines.release.ledger import NewEntry
from pipelines.release.policy import Facts, decide

MONDAY = datetime(2026, 1, 5, 6, tzinfo=UTC)


class Ticking:
    """A clock that a test moves."""

    def __init__(self, at: datetime) -> None:
        self.at = at

    def now(self) -> datetime:
        return self.at


def move(run: str, before: str | None, after: str | None, **changed: Any) -> NewEntry:
    known = {
        "model": "demand",
        "kind": "promotion",
        "run": run,
        "as_of": MONDAY,
        "champion_before": before,
        "champion_after": after,
        "reasons": ("a test says so: µ ≥ 0, \u0000 and 'quotes'",),
    }
    return NewEntry.model_validate(known | changed)


def judged(run: str) -> NewEntry:
    findings = tuple(
        Finding(gate=Gate(gate), name=name, verdict=Verdict.PASS, reason="x", value=0.1 + 0.2)
        for gate, name in (
            ("contract", "contract.suite.sales.price.not_null"),
            ("availability", "availability.leak_probe"),
            ("recent_window", "recent_window.baseline"),
        )
    )
    facts = Facts(run=run, candidate="1", champion=None, champion_at_decision=None)
    decision = decide(findings, facts)
    return move(
        run,
        None,
        "1",
        kind="first_version",
        decision=decision,
        facts=facts,
        findings=findings,
        reasons=decision.reasons,
    )
