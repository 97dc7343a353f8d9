"""Two lineages of a model, week by week: what each decided, and why they differ."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime
from enum import StrEnum

from pydantic import Field

from pipelines.core.findings import Gate
from pipelines.core.records import Instant, Record
from pipelines.release.ledger import Entry, Ledger
from pipelines.release.verification import verified_entries

_GAINS = ("recent_window.primary", "recent_window.baseline", "refresh.looks_better")


class Difference(StrEnum):
    """Why two decisions as of the same instant differ."""

    EARLIER_WEEK = "earlier_week"  # the champions that they judged against are not the same
    RECIPE = "recipe"  # the candidates were declared differently
    DECLARATION = "declaration"  # the recipe is the same, and gates or schedules differ
    DATA = "data"  # events arrived or were changed between the two runs
    BUDGET = "budget"  # the lineages have error budgets of their own
    CODE = "code"  # nothing of this differs: the code or its libraries do


class LineageDecision(Record):
    """What one lineage decided as of an instant."""

    outcome: str
    candidate: str | None
    champion: str | None = Field(description="after the decision")
    gain: float | None = Field(description="of the candidate on the recent window; above 0: better")


class ComparedWeek(Record):
    """The decisions of two lineages as of one instant."""

    as_of: Instant
    first: LineageDecision | None = Field(description="None: it decided nothing as of this instant")
    second: LineageDecision | None
    differences: tuple[Difference, ...] = Field(description="empty: the same decision and findings")


class LineageComparison(Record):
    """Two lineages from the first instant of the younger one on."""

    model: str
    first: str
    second: str
    weeks: tuple[ComparedWeek, ...]


def compare_lineages(model: str, first: str, second: str, ledger: Ledger) -> LineageComparison:
    """Compare the decisions of two lineages, from the ledger alone.

    Two candidates correspond if they came from decisions without a difference. A decision against
    champions that do not correspond differs because of an earlier week.

    Raises:
        IntegrityError: as ``verified_entries``.
    """
    chains = [verified_entries(model, ledger, lineage) for lineage in (first, second)]
    start = max((chain[0].as_of.date() for chain in chains if chain), default=None)
    decided = [
        [entry for entry in chain if _decides(entry) and start and entry.as_of.date() >= start]
        for chain in chains
    ]
    same = {(None, None), *_branch_points(chains)}
    weeks = []
    for as_of, one, other in _pairs(*decided):
        differences = _differences(one, other, same) if one and other else ()
        if one and other and not differences:
            same.add((one.champion_after, other.champion_after))
        weeks.append(
            ComparedWeek(
                as_of=as_of,
                first=_decision(one),
                second=_decision(other),
                differences=differences,
            )
        )
    return LineageComparison(model=model, first=first, second=second, weeks=tuple(weeks))


def _pairs(
    first: Sequence[Entry], second: Sequence[Entry]
) -> Iterator[tuple[datetime, Entry | None, Entry | None]]:
    """The decisions of both lineages by their instants, oldest first.

    They are paired by day: a run by hand and the same week of a schedule may be hours apart. If a
    lineage has decided more than once a day, they are paired by instant.
    """
    chains = [{entry.as_of: entry for entry in chain} for chain in (first, second)]
    daily = all(len({at.date() for at in chain}) == len(chain) for chain in chains)
    keyed = [{at.date() if daily else at: e for at, e in chain.items()} for chain in chains]
    for key in sorted({*keyed[0], *keyed[1]}):
        one, other = keyed[0].get(key), keyed[1].get(key)
        known = one or other
        if known is not None:
            yield known.as_of, one, other


def _decides(entry: Entry) -> bool:
    return entry.decision is not None and entry.kind != "dry_run"


def _branch_points(chains: list[tuple[Entry, ...]]) -> set[tuple[str | None, str | None]]:
    """The champion that a lineage took over from the other one corresponds to itself."""
    taken = [chain[0].champion_after for chain in chains if chain and chain[0].kind == "branch"]
    return {(version, version) for version in taken}


def _differences(
    one: Entry, other: Entry, same: set[tuple[str | None, str | None]]
) -> tuple[Difference, ...]:
    if one.outcome == other.outcome and _values(one) == _values(other):
        return ()
    found = []
    if (one.champion_before, other.champion_before) not in same:
        found.append(Difference.EARLIER_WEEK)
    if one.recipe != other.recipe:
        found.append(Difference.RECIPE)
    elif one.spec != other.spec:
        found.append(Difference.DECLARATION)
    if one.snapshot != other.snapshot:
        found.append(Difference.DATA)
    if not found:
        budget = _values(one) == _values(other)
        found.append(Difference.BUDGET if budget else Difference.CODE)
    return tuple(found)


def _values(entry: Entry) -> dict[str, tuple[str, float | None]]:
    """Verdict and value of each finding, without those of the error budget."""
    return {
        finding.name: (finding.verdict.value, finding.value)
        for finding in entry.findings
        if finding.gate is not Gate.BUDGET
    }


def _decision(entry: Entry | None) -> LineageDecision | None:
    if entry is None:
        return None
    gains = [finding.value for finding in entry.findings if finding.name in _GAINS]
    return LineageDecision(
        outcome=entry.outcome,
        candidate=entry.candidate,
        champion=entry.champion_after,
        gain=gains[0] if gains else None,
    )
