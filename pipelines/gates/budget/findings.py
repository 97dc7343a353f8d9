"""Findings of the error budget: what the year has spent, and whether another try fits in it."""

from __future__ import annotations

from pipelines.core.findings import Finding, Measurement, Verdict, make_finding
from pipelines.spec.training import BudgetGate

SPENT, LEVEL, EXHAUSTED = "budget.spent", "budget.level", "budget.exhausted"


def spent_finding(reason: str, spent: float, declared: BudgetGate) -> Finding:
    """What the year has spent; it always passes.

    Arguments:
        reason: the account in one sentence.
        spent: sum of the levels of the year's tries, 0 to 1.
        declared: the budget as declared.
    """
    return make_finding(
        SPENT, Verdict.PASS, reason, Measurement(value=spent, threshold=declared.alpha_year)
    )


def level_finding(level: float, declared: BudgetGate) -> Finding:
    """The level at which a try is tested, which is its price; it always passes."""
    return make_finding(
        LEVEL,
        Verdict.PASS,
        f"a try costs {level:.3g}, one of {declared.tries} equal shares of the year's "
        f"{declared.alpha_year:g}; if no rollout is declared, the recent window spends it",
        Measurement(value=level),
    )


def exhausted_finding(year: int, spent: float, declared: BudgetGate) -> Finding:
    """The year has no try left, so a promotion needs a person."""
    return make_finding(
        EXHAUSTED,
        Verdict.INCONCLUSIVE,
        f"the tries of {year} are used up; until {year + 1} a promotion needs a person, who "
        f"confirms it with --waive {EXHAUSTED} --reason WHY; to replay past weeks, use "
        "`gauntlet backfill`, which has an account of its own",
        Measurement(value=spent, threshold=declared.alpha_year),
    )
