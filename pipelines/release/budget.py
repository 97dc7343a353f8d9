"""The error budget: how often a year may promote what is no better, whatever is tried.

A gate that is tried every week at 5 % promotes something useless before the year is over. Here the
tries of a year share one level: each is held at ``alpha_year / tries``, and when the level of the
year is spent, nothing more is promoted without a person. By the union bound, the chance of any
false promotion in the year is at most ``alpha_year``, however tries depend on each other: windows
overlap from week to week, and champions are shared.

- A try is a run that compared a candidate with a champion on the recent window, promoted or not,
  with whatever lane. What broken data stopped before costs nothing, nor does a first version.
  Where a rollout is declared the recent window only admits to it and costs nothing: the try is the
  canary, paid when it begins.
- A dry run that came to the comparison is a try as well: who has seen the p-value has tried. The
  real run of the same question is the same test, and the two cost one.
- So is an audit by hand of another recipe than the champion's: it shows the same rows.
- A try belongs to the year in which the ledger recorded it first: as-of is chosen by whoever asks,
  and would let this week's question be paid from last year's budget. Lineages other than live run
  through years in an afternoon and touch nothing that serves, so there as-of counts.
- What was spent stays spent when the declaration changes within the year; what is left over at its
  end is not carried over.
- A try that was refused cannot promote and costs nothing, unless a person waives the refusal.
- Decisions older than the budget count as tries at the level declared now.

Source: Bonferroni in time, as for online testing in Robertson, Wason, Ramdas (2023), Statistical
Science 38, section 2; it is the only one of its kind that needs nothing of the dependence.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime

from pydantic import Field

from pipelines.core.errors import IntegrityError
from pipelines.core.findings import Finding, Verdict
from pipelines.core.records import Record
from pipelines.gates.budget.findings import (
    EXHAUSTED,
    LEVEL,
    exhausted_finding,
    level_finding,
    spent_finding,
)
from pipelines.release.ledger import LIVE, Entry
from pipelines.release.rollout.transition import Stage
from pipelines.spec.training import BudgetGate

REFRESH = "recent_window.refresh"
_COMPARISONS = ("recent_window.primary", REFRESH, "audit.live")
_ROUNDING = 1e-9  # sixty sixtieths are not to exceed the whole


class BudgetCharge(Record):
    """A comparison with the champion, and what it cost."""

    run: str
    year: int
    level: float


class BudgetAccount(Record):
    """A year of one model and lineage."""

    year: int
    declared: BudgetGate
    tries: tuple[BudgetCharge, ...] = Field(description="of this year, oldest first")

    @property
    def spent(self) -> float:
        """Sum of the levels of this year's tries."""
        return sum(one.level for one in self.tries)

    @property
    def summary(self) -> str:
        """The account in words."""
        made = len(self.tries)
        return (
            f"{self.year} has spent {self.spent:.3g} of {self.declared.alpha_year:g} on {made} "
            f"{'try' if made == 1 else 'tries'}, {self.left} left"
        )

    @property
    def left(self) -> int:
        """How many tries remain at the level declared now."""
        remains = self.declared.alpha_year * (1 + _ROUNDING) - self.spent
        return max(0, int(remains / self.declared.level))


def compared(findings: Iterable[Finding]) -> bool:
    """Whether a candidate was held against a champion: whether there is a p-value to have seen."""
    return any(f.name in _COMPARISONS and f.verdict is not Verdict.NO_DATA for f in findings)


def budget_year(lineage: str, as_of: datetime, recorded_at: datetime) -> int:
    """The year that a try belongs to; see this module's text."""
    return (recorded_at if lineage == LIVE else as_of).year


def tries(entries: Iterable[Entry], declared: BudgetGate) -> tuple[BudgetCharge, ...]:
    """Every try of a lineage, each run once, in the order in which they were first made.

    Arguments:
        entries: the lineage's chain, oldest first.
        declared: the budget as declared now; its level is the price of tries older than budgets.
    """
    made: dict[str, BudgetCharge] = {}
    for entry in entries:
        level = _price(entry, declared)
        if level and entry.run not in made:
            year = budget_year(entry.lineage, entry.as_of, entry.recorded_at)
            made[entry.run] = BudgetCharge(run=entry.run, year=year, level=level)
    return tuple(made.values())


def budget_account(entries: Iterable[Entry], declared: BudgetGate, year: int) -> BudgetAccount:
    """What a year has spent and has left."""
    made = tries(entries, declared)
    return BudgetAccount(
        year=year, declared=declared, tries=tuple(one for one in made if one.year == year)
    )


def budget_accounts(
    entries: Sequence[Entry], declared: BudgetGate, year: int | None = None
) -> tuple[BudgetAccount, ...]:
    """Every year that holds a try, and ``year`` if it is given, oldest first."""
    years = {one.year for one in tries(entries, declared)} | ({year} if year else set())
    return tuple(budget_account(entries, declared, one) for one in sorted(years))


def budget_findings(
    entries: Sequence[Entry],
    declared: BudgetGate,
    year: int,
    run: str,
    findings: Iterable[Finding],
    free: str = "",
) -> tuple[Finding, ...]:
    """What this run's try costs, what the year has left, and whether that is enough.

    Arguments:
        entries: the lineage's chain, oldest first, without the entry that is about to be written.
        run: id of the run; one that has paid before does not pay again.
        findings: all other findings of the run; when they compare nothing, it costs nothing.
        free: why it costs nothing all the same.
    """
    before = budget_account(entries, declared, year)
    paid = next((one for one in tries(entries, declared) if one.run == run), None)
    if free or not compared(findings):
        return (_spent(before, free or "nothing was compared with the champion: it costs nothing"),)
    if paid is not None:
        told = f"this run has paid for its try before, in {paid.year}"
        return (_spent(before, told), level_finding(paid.level, declared))
    if not before.left:
        return (
            _spent(before, "this run came after them and may not promote"),
            level_finding(declared.level, declared),
            exhausted_finding(year, before.spent, declared),
        )
    mine = BudgetCharge(run=run, year=year, level=declared.level)
    after = before.model_copy(update={"tries": (*before.tries, mine)})
    return (_spent(after, "this run's try included"), level_finding(declared.level, declared))


def charged_level(entries: Iterable[Entry], run: str) -> float:
    """The level that a try has paid for, as the ledger says.

    Arguments:
        run: the run whose first entry paid; of a canary that of its first stage.

    Raises:
        IntegrityError: no entry of the run names a level.
    """
    for entry in entries:
        if entry.run == run:
            for finding in entry.findings:
                if finding.name == LEVEL and finding.value is not None:
                    return finding.value
    raise IntegrityError(
        "a canary was not charged to the error budget",
        where=f"run {run}",
        wanted=f"an entry with the finding {LEVEL}",
        hint="end it: `gauntlet rollback` to the champion before, or move the alias by hand",
    )


def reference_version(entries: Iterable[Entry]) -> str | None:
    """The version that the champion comes from by refreshes alone; None without a champion.

    A version that was shown to be better, was the first, or was put there by a person is its own
    anchor. A refresh keeps the anchor of the version it replaced, however many follow each other:
    so refreshes, each a little worse than the last, are held against what was last proved. A
    rollback brings back the anchor of the version it brings back.
    """
    anchors: dict[str, str] = {}
    champion: str | None = None
    for entry in entries:
        champion = entry.champion_after
        if not entry.moves or champion is None:
            continue
        replaced = entry.champion_before
        if is_refresh(entry.findings) and replaced is not None:
            anchors[champion] = anchors.get(replaced, replaced)
        else:
            anchors.setdefault(champion, champion)
    return None if champion is None else anchors.get(champion, champion)


def is_refresh(findings: Iterable[Finding]) -> bool:
    """Whether the refresh lane decided: not shown to be better, shown not to be worse."""
    return any(finding.name == REFRESH and finding.blocking for finding in findings)


def _price(entry: Entry, declared: BudgetGate) -> float:
    if not _costs(entry):
        return 0.0
    by_name = {finding.name: finding for finding in entry.findings}
    if EXHAUSTED in by_name and not _waived(entry):
        return 0.0
    level = by_name[LEVEL].value if LEVEL in by_name else None
    return declared.level if level is None else level


def _costs(entry: Entry) -> bool:
    """A canary costs when it begins; a comparison that only admits to one costs nothing."""
    if entry.transition is not None:
        return entry.transition.stage is Stage.CANARY and entry.transition.step == 0
    live_decides = entry.facts is not None and entry.facts.rollout != "none"
    return not live_decides and compared(entry.findings)


def _waived(entry: Entry) -> bool:
    facts = entry.facts
    return facts is not None and EXHAUSTED in facts.waived and bool(facts.reason.strip())


def _spent(now: BudgetAccount, reason: str) -> Finding:
    return spent_finding(f"{now.summary}; {reason}", now.spent, now.declared)
