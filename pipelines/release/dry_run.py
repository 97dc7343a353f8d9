"""Looks that are no runs: whoever has seen a comparison has tried, and the ledger says so."""

from __future__ import annotations

from pipelines.core.retry import compare_and_swap
from pipelines.core.time import Clock
from pipelines.release.budget import budget_findings, budget_year
from pipelines.release.ledger import Entry, Ledger, NewEntry
from pipelines.spec.training import BudgetGate


def record_comparison(draft: NewEntry, budget: BudgetGate, ledger: Ledger, clock: Clock) -> Entry:
    """Record what was seen, with what it costs. The champion stays.

    Safe to repeat: the same run of the same kind is one entry, and whatever else this run is (a
    dry run, a decision) costs nothing more.

    Arguments:
        draft: what was seen; champion and price are filled in from the ledger of now.
        budget: as declared now.

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
