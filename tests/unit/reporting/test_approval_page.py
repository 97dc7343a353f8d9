"""The newest open approval request, with its evidence, and what it replaced."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from pipelines.adapters.database import open_engine
from pipelines.adapters.ledger.sql import SqlLedger
from pipelines.core.findings import Finding, Gate, Interval, Verdict
from pipelines.core.time import FixedClock
from pipelines.release.ledger import Entry, Kind, NewEntry
from pipelines.release.policy import Approval, Facts, decide
from pipelines.release.rollout.state import ReleaseState
from pipelines.reporting.approval_page import approval_request

NOW = datetime(2026, 3, 2, tzinfo=UTC)
PASSED = (
    *("contract.suite.sales", "contract.envelope.sales", "availability.leak_probe"),
    *("recent_window.primary", "budget.spent"),
)
HARM = "recent_window.slice.region.north"


@pytest.fixture
def ledger() -> SqlLedger:
    ledger = SqlLedger(open_engine("sqlite://"), FixedClock(NOW))
    ledger.append(draft("first_version", "first", None, "1"), after=0)
    return ledger


def draft(kind: Kind, run: str, before: str | None, after: str | None) -> NewEntry:
    return NewEntry(
        model="demand",
        kind=kind,
        run=run,
        as_of=NOW,
        champion_before=before,
        champion_after=after,
        reasons=("a test",),
    )


def finding(name: str, value: float | None = None) -> Finding:
    return Finding(
        gate=Gate(name.split(".", maxsplit=1)[0]),
        name=name,
        verdict=Verdict.PASS,
        reason="a smaller error | by far",
        value=value,
        interval=None if value is None else Interval(low=0.5, high=None, level=0.95),
        threshold=None if value is None else 0.25,
    )


def judged(ledger: SqlLedger, version: str, run: str, approved: bool | None = None) -> Entry:
    """A judgement of ``version`` under ``review: required``; the first awaits a person."""
    chain = ledger.entries("demand")
    found = (*(finding(name) for name in PASSED), finding(HARM, 1.25))
    facts = Facts(
        run=run,
        candidate=version,
        champion="1",
        champion_at_decision="1",
        review="required",
        rollout="pending",
    )
    if approved is not None:
        evidence = decide(found, facts).evidence
        answer = Approval(evidence=evidence, approved=approved, by="ana", at=NOW)
        facts = facts.model_copy(update={"approval": answer})
    update = {"facts": facts, "decision": decide(found, facts), "findings": found}
    kind: Kind = "decision" if approved is None else "review"
    return ledger.append(
        draft(kind, run, "1", "1").model_copy(update=update), after=chain[-1].sequence
    )


def test_no_approval_is_requested_before_a_version_waits(ledger: SqlLedger) -> None:
    assert ReleaseState.from_entries("demand", ()).awaiting_review is None
    assert ReleaseState.from_entries("demand", ledger.entries("demand")).awaiting_review is None


@pytest.mark.parametrize("approved", [True, False])
def test_the_newest_question_is_open_until_it_is_answered(
    ledger: SqlLedger, approved: bool
) -> None:
    older, newer = judged(ledger, "2", "two"), judged(ledger, "3", "three")
    assert newer.outcome == "await_review"
    assert ReleaseState.from_entries("demand", ledger.entries("demand")).awaiting_review == newer
    assert judged(ledger, "3", "three", approved).outcome != "await_review"
    assert ReleaseState.from_entries("demand", ledger.entries("demand")).awaiting_review == older


def test_a_question_against_a_former_champion_is_closed(ledger: SqlLedger) -> None:
    requested = judged(ledger, "2", "two")
    moved = draft("promotion", "by another way", "1", "9")
    ledger.append(moved, after=requested.sequence)
    assert ReleaseState.from_entries("demand", ledger.entries("demand")).awaiting_review is None


def test_the_page_has_the_evidence_and_what_decided(ledger: SqlLedger) -> None:
    entry = judged(ledger, "2", "two")
    assert entry.decision is not None
    requested = approval_request(ledger.entries("demand"), entry)
    assert (requested.model, requested.version) == ("demand", "2")
    assert requested.evidence == entry.decision.evidence
    assert f"`{requested.evidence}`" in requested.page
    assert "against version 1" in requested.page
    assert "has changed" not in requested.page
    rows = [line for line in requested.page.splitlines() if line.startswith("|")]
    [harm] = [row for row in rows if "slice region north" in row]
    for answers in (
        "✔&nbsp;pass",
        "+1.25",
        "+0.5 to ∞ (95%)",
        "0.25",
        "A smaller error &#124; by far.",
    ):
        assert answers in harm, answers
    assert any("primary" in row for row in rows)
    assert any("gate contract" in row and "2 checks" in row for row in rows)
    assert not any("contract suite" in row for row in rows), "a gate's checks are counted"


def test_an_answer_to_other_evidence_reports_that_it_was_replaced(ledger: SqlLedger) -> None:
    former = judged(ledger, "2", "two")
    entry = judged(ledger, "2", "two-again")
    assert former.decision is not None
    page = approval_request(ledger.entries("demand"), entry).page
    hash_ = former.decision.evidence[:12]
    assert f"an answer for `{hash_}` does not count any more" in page
