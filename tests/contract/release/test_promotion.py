"""Promotions, dry runs and approvals: ledger and alias agree after each."""

import pytest

from pipelines.core.errors import GauntletError, StaleEvidenceError
from pipelines.core.findings import Verdict
from pipelines.release.ledger import LIVE
from pipelines.release.policy import Approval
from pipelines.release.promotion import DecisionInput
from pipelines.release.reconciliation import ENTRY_TAG
from tests.support.promotion_home import AT, Home, inputs


def test_from_nothing_to_the_second_champion(home: Home) -> None:
    home.check(None)
    first = home.register("run-1")
    assert home.promote(inputs("run-1", first, None)).kind == "first_version"
    home.check(first)
    second = home.register("run-2")
    entry = home.promote(inputs("run-2", second, first))
    assert (entry.kind, entry.champion_before, entry.champion_after) == ("promotion", first, second)
    home.check(second)
    assert home.registry.tags("demand", second)[ENTRY_TAG] == entry.hash


@pytest.mark.parametrize("verdict", [v for v in Verdict if v is not Verdict.PASS])
def test_what_does_not_pass_is_recorded_and_changes_nothing(
    home: Home, first: str, verdict: Verdict
) -> None:
    entry = home.promote(inputs("run-2", home.register("run-2"), first, verdict))
    assert (entry.kind, entry.champion_after) == ("decision", first)
    assert entry.outcome == ("reject" if verdict is Verdict.FAIL else "hold")
    home.check(first)


def test_a_run_may_be_repeated(home: Home, first: str) -> None:
    second, third = home.register("run-2"), home.register("run-3")
    entry = home.promote(inputs("run-2", second, first))
    assert home.promote(inputs("run-2", second, first)) == entry
    home.promote(inputs("run-3", third, second))
    assert home.promote(inputs("run-2", second, first)) == entry, "an old run comes again"
    home.check(third)
    assert len(home.ledger.entries("demand")) == 3


def test_evidence_against_a_former_champion_is_void(home: Home, first: str) -> None:
    second, third = home.register("run-2"), home.register("run-3")
    home.promote(inputs("run-2", second, first))
    for _ in range(2):
        with pytest.raises(
            StaleEvidenceError, match=f"against version {first}, and now version {second}"
        ):
            home.promote(inputs("run-3", third, first))
    home.check(second)
    assert [e.outcome for e in home.ledger.of_run("demand", LIVE, "run-3")] == ["superseded"]


def test_other_lineages_touch_no_alias(home: Home, first: str) -> None:
    other = home.register("backtest-run", "backtest-1")
    entry = home.promote(inputs("backtest-run", other, None, lineage="backtest-1"))
    assert entry.outcome == "first_version"
    assert home.ledger.champion("demand", "backtest-1") == other
    assert ENTRY_TAG not in home.registry.tags("demand", other)
    home.check(first)


def test_a_dry_run_leaves_no_entry(home: Home, first: str) -> None:
    with pytest.raises(GauntletError, match="dry run"):
        home.promote(inputs("run-2", home.register("run-2"), first, dry_run=True))
    assert len(home.ledger.entries("demand")) == 1


def review(home: Home, approved: bool, first: str, second: str) -> DecisionInput:
    waiting = home.promote(inputs("run-2", second, first, review="required"))
    assert waiting.outcome == "await_review"
    home.check(first)
    approval = Approval(evidence=waiting.decision.evidence, approved=approved, by="ada", at=AT)
    return inputs("run-2", second, first, review="required", approval=approval)


def test_an_approval_promotes(home: Home, first: str) -> None:
    second = home.register("run-2")
    entry = home.promote(review(home, True, first, second))
    assert (entry.kind, entry.facts.approval.by) == ("promotion", "ada")
    home.check(second)


def test_a_refusal_is_recorded(home: Home, first: str) -> None:
    second = home.register("run-2")
    entry = home.promote(review(home, False, first, second))
    assert (entry.kind, entry.outcome) == ("review", "reject")
    home.check(first)


def test_an_approval_comes_too_late(home: Home, first: str) -> None:
    second, third = home.register("run-2"), home.register("run-3")
    approved = review(home, True, first, second)
    home.promote(inputs("run-3", third, first))
    with pytest.raises(StaleEvidenceError):
        home.promote(approved)
    made = home.ledger.of_run("demand", LIVE, "run-2")
    assert [(e.kind, e.outcome) for e in made] == [
        ("decision", "await_review"),
        ("review", "superseded"),
    ]
    home.check(third)


def test_an_approval_for_other_evidence_leaves_the_run_waiting(home: Home, first: str) -> None:
    second = home.register("run-2")
    approved = review(home, True, first, second)
    other = approved.facts.approval.model_copy(update={"evidence": "0" * 64})
    facts = approved.facts.model_copy(update={"approval": other})
    waiting = home.promote(approved.model_copy(update={"facts": facts}))
    assert waiting.outcome == "await_review"
    assert home.promote(approved).outcome == "promote"
    home.check(second)
