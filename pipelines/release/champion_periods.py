"""When each version of a recipe was champion, and when the stop-loss acted, from the ledger."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime

from pipelines.gates.refresh.names import STOP
from pipelines.gates.refresh.state import ChampionPeriod
from pipelines.release.ledger import Entry


def champion_periods(
    entries: Iterable[Entry], trained_until: Mapping[str, datetime]
) -> tuple[ChampionPeriod, ...]:
    """The champions of one recipe, oldest first, since it was last proved better or the first.

    Arguments:
        entries: of one lineage, oldest first.
        trained_until: the versions of the recipe, with the instant until which each serving model
            was trained.
    """
    periods: list[ChampionPeriod] = []
    for entry in entries:
        version = entry.champion_after
        if not entry.moves or version is None:
            continue
        if version in trained_until:
            periods.append(ChampionPeriod(entry.as_of, trained_until[version], version))
        else:  # another recipe: what follows it has an account of its own
            periods.clear()
    return tuple(periods)


def unanswered_stops(entries: Iterable[Entry]) -> tuple[datetime, ...]:
    """When the stop-loss acted, since a person last answered."""
    stops: list[datetime] = []
    for entry in entries:
        if entry.kind == "stop":
            stops.append(entry.as_of)
        elif _answers(entry):
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
