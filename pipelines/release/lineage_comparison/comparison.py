"""Two lineages of a model, week by week: decisions, champions, their errors, and differences."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import TYPE_CHECKING

from pydantic import Field

from pipelines.core.findings import first_named
from pipelines.core.records import Instant, Record
from pipelines.release.ledger import Entry, Ledger
from pipelines.release.lineage_comparison.difference import CandidateFacts, Difference, differences
from pipelines.release.verification import verified_entries

if TYPE_CHECKING:
    from collections.abc import Callable

_GAINS = ("recent_window.primary", "recent_window.baseline", "refresh.looks_better")


class LineageDecision(Record):
    """What one lineage decided as of an instant."""

    as_of: Instant
    outcome: str
    candidate: str | None
    champion: str | None = Field(description="after the decision")
    gain: float | None = Field(description="of the candidate on the recent window; above 0: better")


class ChampionErrors(Record):
    """The metric of both champions on the same points, which trained neither."""

    start: Instant
    end: Instant
    points: int = Field(description="with a label")
    first: float
    second: float
    gain: float = Field(description="of the second over the first; above 0: it is better")
    low: float | None = Field(description="of the gain's interval; None: it does not exist")
    high: float | None


class ComparedWeek(Record):
    """The decisions of two lineages as of one instant, and the errors of their champions since."""

    as_of: Instant
    first: LineageDecision | None = Field(description="None: it decided nothing as of this instant")
    second: LineageDecision | None
    differences: tuple[Difference, ...] = Field(description="empty: the same decision and findings")
    champions: tuple[str | None, str | None] = Field(description="after this instant's decisions")
    errors: ChampionErrors | None = None
    no_errors: str = Field(default="", description="why there are none")


class LineageComparison(Record):
    """Two lineages, from the first instant of the younger one to the day when one ends."""

    model: str
    first: str
    second: str
    weeks: tuple[ComparedWeek, ...]
    data_as_of: Instant | None = Field(default=None, description="of the events for the errors")
    metric: str = ""
    level: float = Field(default=0.9, description="of the intervals")
    total: ChampionErrors | None = Field(
        default=None, description="all weeks together in which the champions were not the same"
    )


def compare_lineages(
    model: str,
    first: str,
    second: str,
    ledger: Ledger,
    facts_of: Callable[[str | None], CandidateFacts | None] = lambda _: None,
) -> LineageComparison:
    """Compare the decisions of two lineages; the errors of their champions are not computed.

    Two candidates correspond if they came from decisions without a difference. A decision against
    champions that do not correspond differs because of an earlier week. What one lineage decided
    after the last decision of the other is left out: a comparison with a finished backfill stays
    the same when ``live`` goes on.

    Arguments:
        model: its name.
        first, second: the lineages.
        ledger: has both.
        facts_of: what the version of a candidate says about its origin; ``None`` if it is gone.

    Raises:
        IntegrityError: as ``verified_entries``.
    """
    chains = [verified_entries(model, ledger, lineage) for lineage in (first, second)]
    decided = [[entry for entry in chain if _decides(entry)] for chain in chains]
    if all(decided):
        start = max(chain[0].as_of.date() for chain in chains)
        end = min(max(entry.as_of.date() for entry in own) for own in decided)
        decided = [[one for one in own if start <= one.as_of.date() <= end] for own in decided]
    else:
        decided = [[], []]
    same = {(None, None), *_branch_points(chains)}
    weeks = []
    for one, other in _pairs(*decided):
        known = [entry for entry in (one, other) if entry is not None]
        as_of = max(entry.as_of for entry in known)
        found: tuple[Difference, ...] = ()
        if one is not None and other is not None:
            found = differences(
                one,
                other,
                facts_of,
                same_champions=(one.champion_before, other.champion_before) in same,
            )
            if not found:
                same.add((one.champion_after, other.champion_after))
        weeks.append(
            ComparedWeek(
                as_of=as_of,
                first=_decision(one),
                second=_decision(other),
                differences=found,
                champions=(_champion(chains[0], as_of), _champion(chains[1], as_of)),
            )
        )
    return LineageComparison(model=model, first=first, second=second, weeks=tuple(weeks))


def _pairs(
    first: Sequence[Entry], second: Sequence[Entry]
) -> Iterator[tuple[Entry | None, Entry | None]]:
    """The decisions of both lineages by their instants, oldest first.

    They are paired by day: a run by hand and the same week of a schedule may be hours apart. If a
    lineage has decided more than once a day, they are paired by instant.
    """
    chains = [{entry.as_of: entry for entry in chain} for chain in (first, second)]
    daily = all(len({at.date() for at in chain}) == len(chain) for chain in chains)
    keyed = [{at.date() if daily else at: e for at, e in chain.items()} for chain in chains]
    for key in sorted({*keyed[0], *keyed[1]}):
        yield keyed[0].get(key), keyed[1].get(key)


def _decides(entry: Entry) -> bool:
    return entry.decision is not None and entry.kind != "dry_run"


def _branch_points(chains: list[tuple[Entry, ...]]) -> set[tuple[str | None, str | None]]:
    """The champion that a lineage took over from the other one corresponds to itself."""
    taken = [chain[0].champion_after for chain in chains if chain and chain[0].kind == "branch"]
    return {(version, version) for version in taken}


def _champion(chain: Sequence[Entry], as_of: datetime) -> str | None:
    """The champion of a lineage after its decisions as of an instant and before."""
    earlier = [entry for entry in chain if entry.as_of <= as_of]
    return earlier[-1].champion_after if earlier else None


def _decision(entry: Entry | None) -> LineageDecision | None:
    if entry is None:
        return None
    shown = first_named(entry.findings, *_GAINS)
    return LineageDecision(
        as_of=entry.as_of,
        outcome=entry.outcome,
        candidate=entry.candidate,
        champion=entry.champion_after,
        gain=shown.value if shown else None,
    )
