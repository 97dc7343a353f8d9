"""Which versions and files of runs may be removed: no record, account or rollback needs them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta

from pipelines.core.weeks import WEEK
from pipelines.release.champion_periods import anchors
from pipelines.release.ledger import Entry
from pipelines.release.registry import VersionInfo
from pipelines.release.rollback import former_champions
from pipelines.release.rollout.segment_periods import segment_periods
from pipelines.release.rollout.state import ReleaseState
from pipelines.spec.training import RefreshGate


def expired_versions(
    versions: Sequence[VersionInfo],
    entries: Sequence[Entry],
    gate: RefreshGate,
    as_of: datetime,
    lag: timedelta,
) -> tuple[VersionInfo, ...]:
    """The versions of a lineage that nothing needs any more, oldest first.

    Candidates are needed for ``gate.span`` weeks and the weeks whose labels are still to come;
    replaced versions for ``gate.watch``. The champion, those of segments, the newest former
    champion, versions on live traffic and versions that wait for it or for a review are always
    needed. So is a version that the ledger has no decision about: its run may still be at work. An
    update is needed for a week, and while it is one of these; so is the version that was fitted,
    its anchor.

    Arguments:
        versions: of one model.
        entries: the verified chain of the lineage, oldest first.
        gate: ``gates.refresh`` as declared.
        as_of: the instant of the run.
        lag: from ``training.split.twin_lag``: a later version's twin is that much older.
    """
    if not entries:
        return ()
    oldest = as_of - gate.span * WEEK - lag - WEEK
    updates = anchors(entries)
    needed = {
        *_always_needed(entries),
        *(_replaced(entries, as_of - gate.watch) - updates.keys()),
    }
    needed |= {updates[version] for version in needed if version in updates}
    decided = {entry.candidate for entry in entries}
    return tuple(
        info
        for info in versions
        if info.lineage == entries[-1].lineage
        and info.as_of < (as_of - WEEK if info.version in updates else oldest)
        and info.version in decided
        and info.version not in needed
    )


def expired_runs(entries: Sequence[Entry], as_of: datetime) -> tuple[str, ...]:
    """The decided runs of a lineage whose files nothing needs any more, oldest first.

    The files of a run let the same request go on where it was interrupted, and answer it again in
    seconds. They are needed for a week, and longer for the newest decision, whose pages may still
    have to be written, and for a version that awaits review.

    Arguments:
        entries: the verified chain of the lineage, oldest first.
        as_of: the instant of the run.
    """
    if not entries:
        return ()
    decisions = [entry for entry in entries if entry.decision is not None]
    waiting = ReleaseState.from_entries(entries[-1].model, entries).awaiting_review
    kept = {entry.run for entry in (*decisions[-1:], *filter(None, (waiting,)))}
    kept |= {entry.run for entry in entries if entry.as_of >= as_of - WEEK}
    return tuple(dict.fromkeys(one.run for one in decisions if one.run not in kept))


def _replaced(entries: Sequence[Entry], watched: datetime) -> set[str | None]:
    """Versions that were replaced since an instant, also as champion of a segment."""
    whole = {
        entry.champion_before
        for entry in entries
        if entry.moves and max(entry.as_of, entry.recorded_at) > watched
    }
    return whole | {
        one.version for one in segment_periods(entries, None) if one.end and one.end > watched
    }


def _always_needed(entries: Sequence[Entry]) -> Iterator[str | None]:
    """Versions that are kept whatever their age."""
    state = ReleaseState.from_entries(entries[-1].model, entries)
    yield state.champion
    yield from former_champions(entries)[:1]
    if state.segments is not None:
        yield from state.segments.versions
    if state.trial is not None:
        yield from (state.trial.challenger, state.trial.champion)
    if state.holdback is not None:
        yield state.holdback.former
    for waiting in (state.next_challenger, state.awaiting_review):
        if waiting is not None:
            yield waiting.candidate
