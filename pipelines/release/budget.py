"""The error budget: limits the chance of a false promotion in a calendar year.

A weekly test at 5 % is likely to promote a useless candidate within a year. The tries of a year
therefore share one level: each is tested at ``alpha_year / tries``, and once the level of the year
is spent, a promotion needs a person. By the union bound, the chance of any false promotion in the
year is at most ``alpha_year``, however the tries depend on each other. They do depend: windows
overlap from week to week, and several tries share a champion.

- A try is a run that compared a changed recipe with a champion on the recent window, whether it was
  promoted or not. A refresh is no try, offline and in its canary: it is not tested for being
  better. A run that stopped earlier because of broken data costs nothing, and neither does a first
  version. If a rollout is
  declared, the recent window only admits to it and costs nothing: the canary is the try, and it is
  charged when it begins.
- A dry run that reached the comparison is a try, because it shows the p-value. The real run with
  the same request is the same test, so the two cost one try.
- A manual audit of a recipe other than the champion's is a try, because it uses the same rows.
- A try belongs to the year in which the ledger first recorded it. As-of is part of the request, so
  counting by as-of would allow this week's comparison to use last year's budget. As-of counts for
  a replay of the past: for a try as of more than ``REPLAY`` before it is recorded, and in lineages
  other than live. A champion is only compared on rows later than its training, so a replay cannot
  collect the budgets of years before it.
- A charge stays when the declaration changes within the year. Unused budget is not carried over to
  the next year.
- A refused try cannot promote and costs nothing, unless a person waives the refusal.
- Decisions that predate the budget count as tries at the level declared now.

Source: Bonferroni in time, as for online testing in Robertson, Wason, Ramdas (2023), Statistical
Science 38, section 2. It is the only such method without assumptions about the dependence.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta

from pydantic import Field

from pipelines.core.counts import counted
from pipelines.core.errors import IntegrityError
from pipelines.core.findings import Finding, Verdict
from pipelines.core.records import Record
from pipelines.gates.budget.findings import (
    EXHAUSTED,
    LEVEL,
    SPENT,
    exhausted_finding,
    level_finding,
    spent_finding,
)
from pipelines.release.ledger import LIVE, Entry
from pipelines.release.rollout.transition import Stage
from pipelines.spec.training import BudgetGate

# Release 0.1.0 judged refreshes by recent_window.refresh, as a try.
_COMPARISONS = ("recent_window.primary", "recent_window.refresh", "audit.live")
REPLAY = timedelta(days=31)  # a live try as of longer ago replays the past
_ROUNDING = 1e-9  # tolerance: the sum of sixty levels of 1/60 must not exceed 1


class BudgetCharge(Record):
    """A comparison with the champion, and the level that it cost."""

    run: str
    year: int
    level: float


class BudgetAccount(Record):
    """The error budget of one model and lineage in one year."""

    year: int
    declared: BudgetGate
    tries: tuple[BudgetCharge, ...] = Field(description="of this year, oldest first")

    @property
    def spent(self) -> float:
        """Sum of the levels of this year's tries."""
        return sum(one.level for one in self.tries)

    @property
    def summary(self) -> str:
        """One line of text about the account."""
        made = len(self.tries)
        return (
            f"{self.year} has spent {self.spent:.3g} of {self.declared.alpha_year:g} on "
            f"{counted(made, 'try', 'tries')}, {self.left} left"
        )

    @property
    def left(self) -> int:
        """How many tries remain at the level declared now."""
        remains = self.declared.alpha_year * (1 + _ROUNDING) - self.spent
        return max(0, int(remains / self.declared.level))


def compared(findings: Iterable[Finding]) -> bool:
    """Whether the findings compare a candidate with a champion, and so contain a p-value."""
    return any(f.name in _COMPARISONS and f.verdict is not Verdict.NO_DATA for f in findings)


def budget_year(lineage: str, as_of: datetime, recorded_at: datetime) -> int:
    """The year that a try belongs to; see the module docstring."""
    replayed = lineage != LIVE or recorded_at - as_of > REPLAY
    return (as_of if replayed else recorded_at).year


def tries(entries: Iterable[Entry], declared: BudgetGate) -> tuple[BudgetCharge, ...]:
    """Every try of a lineage in the order of recording; each run appears once.

    Arguments:
        entries: the lineage's chain, oldest first.
        declared: the budget as declared now; its level applies to tries that predate the budget.
    """
    made: dict[str, BudgetCharge] = {}
    for entry in entries:
        level = _price(entry, declared)
        if level and entry.run not in made:
            year = budget_year(entry.lineage, entry.as_of, entry.recorded_at)
            made[entry.run] = BudgetCharge(run=entry.run, year=year, level=level)
    return tuple(made.values())


def budget_account(entries: Iterable[Entry], declared: BudgetGate, year: int) -> BudgetAccount:
    """The level that a year has spent and has left."""
    made = tries(entries, declared)
    return BudgetAccount(
        year=year, declared=declared, tries=tuple(one for one in made if one.year == year)
    )


def budget_accounts(
    entries: Sequence[Entry], declared: BudgetGate, year: int | None = None
) -> tuple[BudgetAccount, ...]:
    """The accounts of every year with a try, and of ``year`` if given, oldest first."""
    years = {one.year for one in tries(entries, declared)} | ({year} if year else set())
    return tuple(budget_account(entries, declared, one) for one in sorted(years))


def budget_findings(
    entries: Sequence[Entry],
    declared: BudgetGate,
    year: int,
    run: str,
    findings: Iterable[Finding] | None,
    free: str = "",
) -> tuple[Finding, ...]:
    """Findings about this run's cost, the rest of the year's budget, and whether that is enough.

    Arguments:
        entries: the lineage's chain, oldest first, without the entry that is about to be written.
        run: id of the run; a run is charged only once.
        findings: all other findings of the run, which costs nothing without a comparison among
            them; None for a canary, which is a comparison.
        free: why a comparison costs nothing here.
    """
    before = budget_account(entries, declared, year)
    paid = next((one for one in tries(entries, declared) if one.run == run), None)
    if free or (findings is not None and not compared(findings)):
        return (_spent(before, free or "nothing was compared with the champion: it costs nothing"),)
    if paid is not None:
        reason = f"this run has paid for its try before, in {paid.year}"
        return (_spent(before, reason), level_finding(paid.level, declared))
    if not before.left:
        return (
            _spent(before, "this run came after them and may not promote"),
            level_finding(declared.level, declared),
            exhausted_finding(year, before.spent, declared),
        )
    mine = BudgetCharge(run=run, year=year, level=declared.level)
    after = before.model_copy(update={"tries": (*before.tries, mine)})
    return (_spent(after, "this run's try included"), level_finding(declared.level, declared))


def charged_level(entries: Iterable[Entry], run: str) -> float | None:
    """The level that a canary was charged, according to the ledger; None: it was no try.

    Arguments:
        run: the run of the canary's first stage, whose entry holds the charge.

    Raises:
        IntegrityError: no entry of the run has an account of the error budget.
    """
    for entry in entries:
        by_name = {finding.name: finding for finding in entry.findings}
        if entry.run == run and (LEVEL in by_name or SPENT in by_name):
            return by_name[LEVEL].value if LEVEL in by_name else None
    raise IntegrityError(
        "a canary was not charged to the error budget",
        where=f"run {run}",
        wanted=f"an entry with the finding {LEVEL} or {SPENT}",
        hint="end it: `gauntlet rollback` to the champion before, or move the alias by hand",
    )


def _price(entry: Entry, declared: BudgetGate) -> float:
    if not _costs(entry):
        return 0.0
    by_name = {finding.name: finding for finding in entry.findings}
    if EXHAUSTED in by_name and not _waived(entry):
        return 0.0
    level = by_name[LEVEL].value if LEVEL in by_name else None
    return declared.level if level is None else level


def _costs(entry: Entry) -> bool:
    """Whether an entry is charged: a canary when it begins, or a comparison that admits to none.

    A canary that is no try begins with an account of the budget, and without a level.
    """
    if entry.lane in ("emergency", "update"):
        return False
    if entry.transition is not None:
        names = {one.name for one in entry.findings}
        # A segment that leaves a canary at its first stage begins no further one.
        first = entry.transition.step == 0 and entry.transition.apart is None
        begins = entry.transition.stage is Stage.CANARY and first
        return begins and (LEVEL in names or SPENT not in names)
    live_decides = entry.facts is not None and entry.facts.rollout != "none"
    return not live_decides and compared(entry.findings)


def _waived(entry: Entry) -> bool:
    facts = entry.facts
    return facts is not None and EXHAUSTED in facts.waived and bool(facts.reason.strip())


def _spent(now: BudgetAccount, reason: str) -> Finding:
    return spent_finding(f"{now.summary}; {reason}", now.spent, now.declared)
