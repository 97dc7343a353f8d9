"""What the ledger had decided by an instant, and when each version of a recipe was champion."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from itertools import takewhile

from pipelines.gates.refresh.names import STOP
from pipelines.gates.refresh.state import ChampionPeriod
from pipelines.release.ledger import Entry


def entries_as_of(entries: Sequence[Entry], as_of: datetime) -> tuple[Entry, ...]:
    """The entries that were in the ledger at an instant.

    A ledger that was begun after that instant is a replay of the past. Then the decisions as of
    earlier instants count, up to the first that is later.

    Arguments:
        entries: of one lineage, oldest first.
        as_of: the instant.
    """
    if entries and entries[0].recorded_at > as_of:
        return tuple(takewhile(lambda entry: entry.as_of <= as_of, entries))
    return tuple(entry for entry in entries if entry.recorded_at <= as_of)


def anchors(entries: Iterable[Entry]) -> dict[str, str]:
    """The versions that are updates of a champion, each with the version that was fitted."""
    found: dict[str, str] = {}
    for entry in entries:
        facts = entry.facts
        if entry.lane == "update" and facts and facts.candidate and facts.champion:
            found[facts.candidate] = found.get(facts.champion, facts.champion)
    return found


def update_versions(entries: Iterable[Entry]) -> frozenset[str]:
    """The versions that are updates of a champion, and no fits."""
    return frozenset(anchors(entries))


def champion_periods(
    entries: Sequence[Entry], trained_until: Mapping[str, datetime]
) -> tuple[ChampionPeriod, ...]:
    """The champions of one recipe, oldest first, since it was last proved better or the first.

    Updates of a champion belong to its period: what they were fitted on is the champion's.

    Arguments:
        entries: of one lineage, oldest first.
        trained_until: the versions of the recipe, with the instant until which each serving model
            was trained.
    """
    periods: list[ChampionPeriod] = []
    fitted = anchors(entries)
    for entry in entries:
        if not entry.moves or entry.champion_after is None:
            continue
        version = fitted.get(entry.champion_after, entry.champion_after)
        if entry.kind == "branch":  # a backfill has an account of its own
            periods.clear()
        elif periods and periods[-1].version == version:
            continue  # it was updated, or its updates were undone
        if version in trained_until:
            periods.append(ChampionPeriod(entry.as_of, trained_until[version], version))
        else:  # another recipe: what follows it has an account of its own
            periods.clear()
    return tuple(periods)


def unanswered_stops(entries: Iterable[Entry]) -> tuple[datetime, ...]:
    """When the stop-loss acted, since a person last answered or the recipe was changed.

    Arguments:
        entries: of one lineage, oldest first.
    """
    stops: list[datetime] = []
    recipes: dict[str, str] = {}
    serving: str | None = None
    for entry in entries:
        if entry.candidate and entry.recipe:
            recipes[entry.candidate] = entry.recipe
        before = serving
        if entry.moves and entry.champion_after is not None:
            serving = recipes.get(entry.champion_after, serving)
        if entry.kind == "stop":
            stops.append(entry.as_of)
        elif _answers(entry) or (before is not None and before != serving):
            stops.clear()
    return tuple(stops)


def last_answer(entries: Iterable[Entry]) -> datetime | None:
    """When a person last answered the stop-loss; ``None``: it has not been answered."""
    return max((entry.as_of for entry in entries if _answers(entry)), default=None)


def _answers(entry: Entry) -> bool:
    """Whether a person waived the stop-loss's finding with a reason; a dry run is no answer."""
    facts = entry.facts
    if facts is None or entry.kind == "dry_run":
        return False
    return STOP in facts.waived and bool(facts.reason.strip())
