"""Lineages: the beginning of one, its history, and its summary.

The lineage of a backfill begins with the champion that ``live`` had as of an instant.

The first entry of such a lineage is a *branch*. It names the entry of ``live`` after which the
lineage begins. What ``live`` had decided until then is the history of the lineage too: its record
of weekly losses, the versions that it is made of, and the days that were rejected. The error budget
and the stop-loss begin anew.
"""

from __future__ import annotations

from datetime import datetime
from itertools import takewhile

from pydantic import Field

from pipelines.core.errors import GauntletError, IntegrityError
from pipelines.core.records import Instant, Record
from pipelines.core.time import instant_text
from pipelines.release.champion_periods import entries_as_of
from pipelines.release.ledger import LIVE, BranchPoint, Entry, Ledger, NewEntry
from pipelines.release.verification import verified_entries


class LineageSummary(Record):
    """What a lineage has decided."""

    lineage: str
    begins_with: str | None = Field(description="champion of the branch; None: no branch")
    first: Instant = Field(description="as-of of the oldest entry")
    last: Instant = Field(description="as-of of the newest entry")
    decisions: int
    promotions: int
    champion: str | None


def branch(model: str, lineage: str, as_of: datetime, ledger: Ledger) -> Entry | None:
    """Begin a lineage with the champion that ``live`` had as of an instant. Safe to repeat.

    Arguments:
        model: its name.
        lineage: of the backfill; not ``live``.
        as_of: of the first week of the backfill.
        ledger: has both lineages.

    Returns:
        The entry; ``None`` if the lineage has begun already without one, or if ``live`` had no
        champion. The lineage then begins with a first version, as ``live`` did.

    Raises:
        GauntletError: the lineage is ``live``.
        IntegrityError: the ledger cannot be followed; see ``verification``.
        StaleEvidenceError: another process began the lineage at this moment; safe to repeat.
    """
    if lineage == LIVE:
        raise GauntletError("the lineage live begins with a first version", where=f"model {model}")
    own = verified_entries(model, ledger, lineage)
    if own:
        return own[0] if own[0].kind == "branch" else None
    known = entries_as_of(verified_entries(model, ledger), as_of)
    live = tuple(takewhile(lambda entry: entry.as_of < as_of, known))  # not this week's own entry
    last = live[-1] if live else None
    if last is None or last.champion_after is None:
        return None
    champion = last.champion_after
    new = NewEntry(
        model=model,
        lineage=lineage,
        kind="branch",
        run=f"branch.{lineage}",
        as_of=as_of,
        champion_before=None,
        champion_after=champion,
        reasons=(
            f"begins with version {champion}, the champion of live as of {instant_text(as_of)}",
        ),
        branch_point=BranchPoint(lineage=LIVE, sequence=last.sequence, hash=last.hash),
    )
    return ledger.append(new, after=0)


def verified_history(model: str, ledger: Ledger, lineage: str = LIVE) -> tuple[Entry, ...]:
    """The entries of a lineage, oldest first, after those of the lineage that it branched from.

    Raises:
        IntegrityError: as ``verified_entries``, or the lineage begins after an entry that the other
            one does not have.
    """
    own = verified_entries(model, ledger, lineage)
    point = own[0].branch_point if own else None
    if point is None:
        return own
    inherited = verified_entries(model, ledger, point.lineage)[: point.sequence]
    last = inherited[-1] if inherited else None
    if last is None or (last.hash, last.champion_after) != (point.hash, own[0].champion_after):
        raise IntegrityError(
            "a lineage begins with another champion than the entry that it names",
            where=f"ledger of {model}, lineage {lineage}",
            got=f"version {own[0].champion_after} after entry {point.sequence} of {point.lineage}",
            wanted="an entry of that lineage with this hash and this champion",
            hint="restore the ledger from its backup, or begin the backfill in another lineage",
        )
    return inherited + own


def summarize(model: str, lineage: str, ledger: Ledger) -> LineageSummary:
    """Summarize a lineage that has an entry, after verifying it.

    Raises:
        IntegrityError: as ``verified_entries``.
    """
    entries = verified_entries(model, ledger, lineage)
    decided = [entry for entry in entries if entry.decision and entry.kind != "dry_run"]
    begun = entries[0].champion_after if entries[0].kind == "branch" else None
    return LineageSummary(
        lineage=lineage,
        begins_with=begun,
        first=min(entry.as_of for entry in entries),
        last=max(entry.as_of for entry in entries),
        decisions=len(decided),
        promotions=sum(entry.moves for entry in decided),
        champion=entries[-1].champion_after,
    )
