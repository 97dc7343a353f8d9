"""Records comparisons that cannot promote, because they use the error budget as well."""

from __future__ import annotations

from pipelines.core.retry import compare_and_swap
from pipelines.core.time import Clock
from pipelines.release.budget import budget_findings, budget_year
from pipelines.release.ledger import Entry, Ledger, NewEntry
from pipelines.spec.training import BudgetGate


def record_comparison(draft: NewEntry, budget: BudgetGate, ledger: Ledger, clock: Clock) -> Entry:
    """Record a comparison and charge it to the error budget. The champion stays.

    Safe to repeat: a run has one entry of each kind. Other entries of the same run, such as a dry
    run or a decision, cost nothing more.

    Arguments:
        draft: the comparison; the current ledger supplies the champion and the cost.
        budget: the budget as declared now.

    Raises:
        Unavailable: the ledger did not answer; running again is safe.
    """

    def attempt() -> Entry:
        entries = ledger.entries(draft.model, draft.lineage)
        head = entries[-1] if entries else None
        champion = head.champion_after if head else None
        now = max(clock.now(), head.recorded_at) if head else clock.now()
        year = budget_year(draft.lineage, draft.as_of, now)
        price = budget_findings(entries, budget, year, draft.run, draft.findings)
        charged = draft.model_copy(
            update={
                "champion_before": champion,
                "champion_after": champion,
                "findings": (*draft.findings, *price),
            }
        )
        return ledger.append(charged, after=head.sequence if head else 0)

    return compare_and_swap(attempt)
