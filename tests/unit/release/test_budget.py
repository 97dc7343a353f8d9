"""The year's account: what counts as a try, in which year, what it costs, and who is the anchor."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from pipelines.core.errors import IntegrityError
from pipelines.core.findings import Finding, Gate, Verdict, overall
from pipelines.gates.budget.findings import EXHAUSTED, LEVEL, SPENT
from pipelines.release.budget import (
    budget_account,
    budget_accounts,
    budget_findings,
    budget_year,
    charged_level,
)
from pipelines.release.ledger import Entry, NewEntry
from pipelines.release.policy import Facts, Outcome
from pipelines.release.rollout.transition import Stage, Transition
from pipelines.spec.training import BudgetGate
from tests.support.release.rollout_book import NOW, Book

WEEK = timedelta(days=7)
SUMMER = datetime(2026, 7, 6, 6, tzinfo=UTC)
NEW_YEAR = datetime(2027, 1, 1, tzinfo=UTC)
FOUR = BudgetGate(alpha_year=0.05, tries=4)


def found(name: str = "recent_window.primary", verdict: str = "inconclusive") -> Finding:
    return Finding(
        gate=Gate(name.split(".", maxsplit=1)[0]),
        name=name,
        verdict=Verdict(verdict),
        reason="a test says so",
    )


class Chain:
    """A lineage's chain, written as a run would."""

    def __init__(self, lineage: str = "live") -> None:
        self.lineage = lineage
        self.entries: list[Entry] = []

    def add(
        self,
        run: str,
        at: datetime,
        findings: tuple[Finding, ...] = (found(),),
        declared: BudgetGate | None = FOUR,
        *,
        as_of: datetime | None = None,
        kind: str = "decision",
        after: str | None = None,
        waived: tuple[str, ...] = (),
    ) -> tuple[Finding, ...]:
        """Append a decision and return its findings of the budget."""
        head = self.entries[-1] if self.entries else None
        champion = head.champion_after if head else None
        requested = as_of or at
        year = budget_year(self.lineage, requested, at)
        answers = budget_findings(self.entries, declared, year, run, findings) if declared else ()
        draft = NewEntry.model_validate(
            {
                "model": "demand",
                "lineage": self.lineage,
                "kind": kind,
                "run": run,
                "as_of": requested,
                "champion_before": champion,
                "champion_after": after or champion,
                "reasons": ("a test",),
                "facts": Facts(
                    run=run,
                    candidate=after,
                    champion=champion,
                    champion_at_decision=champion,
                    waived=waived,
                    reason="a person answers for it" if waived else "",
                ),
                "findings": (*findings, *answers),
            }
        )
        self.entries.append(Entry.append_to(draft, head, at))
        return answers

    def spent(self, year: int, declared: BudgetGate = FOUR) -> float:
        return budget_account(self.entries, declared, year).spent


def names(findings: tuple[Finding, ...]) -> set[str]:
    return {finding.name for finding in findings}


def test_every_comparison_costs_one_share_and_reports_what_is_left() -> None:
    chain = Chain()
    first = chain.add("a", SUMMER)
    assert names(first) == {SPENT, LEVEL}
    assert overall(first) is Verdict.PASS
    assert first[0].value == pytest.approx(0.0125)
    assert first[0].threshold == 0.05
    assert "1 try, 3 left" in first[0].reason
    assert chain.spent(2026) == pytest.approx(0.0125)
    assert "2 tries, 2 left" in chain.add("b", SUMMER)[0].reason


@pytest.mark.parametrize("verdict", ["pass", "fail", "inconclusive"])
def test_what_came_out_does_not_matter(verdict: str) -> None:
    chain = Chain()
    chain.add("a", SUMMER, (found(verdict=verdict),))
    assert chain.spent(2026) == pytest.approx(0.0125)


def test_the_fifth_of_four_tries_is_refused_and_costs_nothing() -> None:
    chain = Chain()
    for run in "abcd":
        assert EXHAUSTED not in names(chain.add(run, SUMMER))
    refused = chain.add("e", SUMMER, (found(verdict="pass"),))
    assert overall(refused) is Verdict.INCONCLUSIVE
    exhausted = next(finding for finding in refused if finding.name == EXHAUSTED)
    assert "until 2027" in exhausted.reason
    assert "--waive budget.exhausted" in exhausted.reason
    assert chain.spent(2026) == pytest.approx(0.05)


def test_sixty_shares_of_a_budget_are_sixty_tries() -> None:
    """Sixty times a sixtieth of 0.05 is above 0.05 in binary fractions."""
    chain, declared = Chain(), BudgetGate(tries=60)
    refused = [
        EXHAUSTED in names(chain.add(f"run-{n}", SUMMER, declared=declared)) for n in range(62)
    ]
    assert refused == [False] * 60 + [True] * 2


def test_a_new_year_begins_anew_and_nothing_is_carried_over() -> None:
    chain = Chain()
    for run in "abcd":
        chain.add(run, NEW_YEAR - timedelta(seconds=1))
    assert EXHAUSTED in names(chain.add("e", NEW_YEAR - timedelta(seconds=1)))
    assert "1 try, 3 left" in chain.add("f", NEW_YEAR)[0].reason, "three, and not seven"
    assert [one.year for one in budget_accounts(chain.entries, FOUR, 2028)] == [2026, 2027, 2028]


def test_a_live_try_belongs_to_the_year_it_was_recorded_in() -> None:
    """Else a question about last December would be paid from what last year left over."""
    chain = Chain()
    chain.add("a", NEW_YEAR, as_of=NEW_YEAR - timedelta(days=30))
    assert chain.spent(2026) == 0
    assert chain.spent(2027) == pytest.approx(0.0125)


def test_a_replay_of_past_weeks_spends_none_of_this_year() -> None:
    chain = Chain()
    for week in range(6):
        chain.add(f"{week}", SUMMER, as_of=datetime(2025, 3, 3, tzinfo=UTC) + week * WEEK)
    assert chain.spent(2026) == 0
    assert chain.spent(2025) == pytest.approx(0.05), "the budget of 2025 ends, too"


def test_an_exhausted_budget_names_the_lineage_for_replays() -> None:
    chain = Chain()
    for run in "abcd":
        chain.add(run, SUMMER)
    [exhausted] = [f for f in chain.add("e", SUMMER) if f.name == EXHAUSTED]
    assert "gauntlet backfill" in exhausted.reason


@pytest.mark.parametrize(("days", "year"), [(0, 2027), (31, 2027), (32, 2026), (400, 2025)])
def test_as_of_counts_only_for_what_is_long_past(days: int, year: int) -> None:
    recorded = NEW_YEAR + timedelta(hours=1)
    assert budget_year("live", recorded - timedelta(days=days), recorded) == year


def test_a_backtest_spends_the_years_that_it_replays() -> None:
    chain = Chain(lineage="backtest")
    for year in range(2020, 2026):
        for run in "abcd":
            chain.add(f"{run}-{year}", NEW_YEAR, as_of=datetime(year, 3, 1, tzinfo=UTC))
    assert [chain.spent(year) for year in range(2020, 2026)] == pytest.approx([0.05] * 6)


def test_what_broken_data_stopped_costs_nothing() -> None:
    chain = Chain()
    answers = chain.add("a", SUMMER, (found("contract.suite.sales.price.range", "fail"),))
    assert names(answers) == {SPENT}
    assert "costs nothing" in answers[0].reason
    chain.add("b", SUMMER, (found(verdict="no_data"),))
    assert chain.spent(2026) == 0


def test_a_dry_run_is_a_try_and_its_real_run_is_the_same_one() -> None:
    chain = Chain()
    chain.add("a", SUMMER, kind="dry_run")
    assert chain.spent(2026) == pytest.approx(0.0125)
    again = chain.add("a", SUMMER)
    assert "paid for its try before, in 2026" in again[0].reason
    assert chain.spent(2026) == pytest.approx(0.0125)


def test_a_run_that_paid_may_be_decided_when_the_budget_is_used_up() -> None:
    chain = Chain()
    for run in "abcd":
        chain.add(run, SUMMER, kind="dry_run")
    assert EXHAUSTED not in names(chain.add("a", NEW_YEAR))
    assert chain.spent(2027) == 0, "it was charged to the year in which it was tried"


def test_an_answer_to_a_review_costs_nothing_more() -> None:
    chain = Chain()
    chain.add("a", SUMMER)
    chain.add("a", SUMMER, (*chain.entries[0].findings,), declared=None, kind="review")
    assert chain.spent(2026) == pytest.approx(0.0125)


def test_a_changed_declaration_does_not_give_back_what_was_spent() -> None:
    chain = Chain()
    for run in "ab":
        chain.add(run, SUMMER)  # half of the year, at a quarter each
    ten = BudgetGate(alpha_year=0.05, tries=10)
    assert "3 tries, 4 left" in chain.add("c", SUMMER, declared=ten)[0].reason
    for run in "defg":
        assert EXHAUSTED not in names(chain.add(run, SUMMER, declared=ten))
    assert EXHAUSTED in names(chain.add("h", SUMMER, declared=ten))
    assert EXHAUSTED in names(chain.add("i", SUMMER, declared=FOUR))


def test_decisions_older_than_budgets_count_as_tries_of_today() -> None:
    chain = Chain()
    for run in "abc":
        chain.add(run, SUMMER, declared=None)
    assert chain.spent(2026) == pytest.approx(3 * 0.0125)


def test_a_refusal_that_a_person_answers_for_is_spent_all_the_same() -> None:
    chain = Chain()
    for run in "abcd":
        chain.add(run, SUMMER)
    chain.add("e", SUMMER, waived=(EXHAUSTED,), kind="promotion", after="5")
    year = budget_account(chain.entries, FOUR, 2026)
    assert year.spent == pytest.approx(0.0625), "the ledger says that more was tried than declared"
    assert year.left == 0


def test_a_refresh_that_an_earlier_release_charged_keeps_its_charge_and_its_level(
    book: Book,
) -> None:
    book.judged("2", Outcome.START_ROLLOUT, "refresh")
    book.moved(Stage.SHADOW)
    level = found("budget.level", "pass").model_copy(update={"value": 0.0042})
    begun = Transition(challenger="2", stage=Stage.CANARY, salt="spring")
    entry = book.add(
        "rollout",
        "run-2.canary.0",
        transition=begun,
        findings=(found("budget.spent", "pass"), level),
    )
    assert [one.run for one in budget_account(book.entries, BudgetGate(), NOW.year).tries] == [
        entry.run
    ]
    assert charged_level(book.entries, entry.run) == 0.0042


def test_a_canary_without_an_account_of_the_budget_is_refused(book: Book) -> None:
    with pytest.raises(IntegrityError, match="was not charged"):
        charged_level(book.entries, "first")
