"""The state of a release, computed from the ledger's entries.

A challenger that passed every offline gate goes through shadow and the stages of its canary, and is
then promoted or ended. After a promotion, a holdback compares the new champion with the former one.
The state is not stored anywhere else, so a process can resume after it was killed. One challenger
is on trial at a time. When the champion changes during a trial, by a rollback or by hand, the trial
is void and can only be ended. A holdback ends when its champion is replaced.

Segments may have a champion of their own. A change of champion removes all of them, unless it only
exchanges versions of the champion's recipe: by a refresh, or where its holdback or the stop-loss of
refreshes undoes it.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime

from pydantic import Field

from pipelines.core.errors import IntegrityError
from pipelines.core.records import Instant, Record
from pipelines.predictions.assignment import Ramp
from pipelines.release.ledger import Entry
from pipelines.release.policy import Outcome
from pipelines.release.rollout.segment_champions import SegmentChampions, changed_champions
from pipelines.release.rollout.transition import Stage, Transition
from pipelines.spec.rollout import Rollout

ON_TRIAL = (Stage.SHADOW, Stage.CANARY)


class Trial(Record):
    """A challenger in shadow or canary."""

    model: str
    challenger: str
    champion: str = Field(description="the version that it is compared with")
    admission: Entry = Field(description="the decision that made it a challenger")
    transition: Transition = Field(description="the newest")
    since: Instant = Field(description="when the present stage began")
    void: bool = Field(default=False, description="the champion changed since the trial began")

    @property
    def run(self) -> str:
        """The run that admitted the challenger; the runs of its transitions begin with it."""
        return self.admission.run

    def is_due(self, rollout: Rollout, now: datetime) -> bool:
        """Whether the present stage has lasted as long as declared."""
        canary = self.transition.stage is Stage.CANARY
        duration = rollout.canary.stage_duration if canary else rollout.shadow.duration
        return now >= self.since + duration


class Holdback(Record):
    """A promotion under observation: the former champion answers a share of the entities."""

    model: str
    champion: str
    promotion: Entry
    transition: Transition
    since: Instant

    @property
    def former(self) -> str:
        """The version that was champion before the promotion."""
        return self.transition.challenger


@dataclass(frozen=True)
class ReleaseState:
    """The state of a model's release, according to its ledger.

    Arguments:
        model: the model's name.
        entries: the ledger's entries of the lineage ``live``, oldest first.
        trial: the challenger in shadow or canary.
        holdback: the promotion under observation.
        promotion: the entry that promoted the present champion, unless a rollout began since.
        admissions: the decisions that made a version a challenger.
        started: the versions that began a rollout.
        segments: the champions of single segments; None if one version answers all entities.
    """

    model: str
    entries: tuple[Entry, ...] = ()
    trial: Trial | None = None
    holdback: Holdback | None = None
    promotion: Entry | None = None
    admissions: tuple[Entry, ...] = ()
    started: frozenset[str] = frozenset()
    segments: SegmentChampions | None = None

    @classmethod
    def from_entries(cls, model: str, entries: Iterable[Entry]) -> ReleaseState:
        """Compute the state from a ledger's entries, oldest first."""
        return cls(model).after(entries)

    def after(self, entries: Iterable[Entry]) -> ReleaseState:
        """The state after further entries."""
        state, chain = self, tuple(entries)
        for entry in chain:
            state = _fold(state, entry)
        return replace(state, entries=self.entries + chain)

    @property
    def head(self) -> Entry | None:
        """The newest entry; None for an empty ledger."""
        return self.entries[-1] if self.entries else None

    @property
    def sequence(self) -> int:
        """Sequence number of the newest entry; 0 for an empty ledger."""
        return self.head.sequence if self.head else 0

    @property
    def champion(self) -> str | None:
        """The champion's version."""
        return self.head.champion_after if self.head else None

    @property
    def segment_champions(self) -> str:
        """The champions of segments in words; "" if there are none."""
        return "" if self.segments is None else self.segments.described()

    @property
    def next_challenger(self) -> Entry | None:
        """The newest admission against the current champion of a version without a rollout."""
        waiting = [
            entry
            for entry in self.admissions
            if entry.candidate not in self.started and entry.champion_after == self.champion
        ]
        return waiting[-1] if waiting else None

    @property
    def moved_by_hand(self) -> Entry | None:
        """The entry that made the present champion by hand; None if a decision or rollback did."""
        last = (one for one in reversed(self.entries) if one.moves or one.kind == "rollback")
        newest = next(last, None)
        return newest if newest is not None and newest.kind == "manual_alias_change" else None

    @property
    def active(self) -> Transition | None:
        """The current transition, which gives a second version part of the traffic."""
        if self.trial is not None:
            return None if self.trial.void else self.trial.transition
        return self.holdback.transition if self.holdback else None

    @property
    def active_since(self) -> datetime | None:
        """When the current transition was recorded."""
        active = self.active
        moments = (
            e.recorded_at for e in reversed(self.entries) if active and e.transition == active
        )
        return next(moments, None)

    @property
    def awaiting_review(self) -> Entry | None:
        """The newest entry that awaits review against the present champion and has no answer."""
        answered = {
            entry.run
            for entry in self.entries
            if entry.decision and entry.kind != "dry_run" and entry.outcome != Outcome.AWAIT_REVIEW
        }
        waiting = [
            entry
            for entry in self.entries
            if entry.outcome == Outcome.AWAIT_REVIEW
            and entry.champion_after == self.champion
            and entry.run not in answered
        ]
        return waiting[-1] if waiting else None

    def ramp(self, salt: str) -> Ramp:
        """The shares that the transitions under one salt have set so far."""
        return ramp_of(self.entries, salt)


def ramp_of(entries: Iterable[Entry], salt: str) -> Ramp:
    """The shares that the transitions under one salt have set so far.

    Arguments:
        entries: a model's ledger, oldest first.
        salt: the salt of a canary or a holdback.
    """
    shares: list[tuple[datetime, float]] = []
    apart: dict[str, datetime] = {}
    segments: SegmentChampions | None = None  # of the entries so far
    control: SegmentChampions | None = None
    column = ""
    for entry in entries:
        one, since = entry.transition, entry.recorded_at
        if one is not None and one.salt == salt and one.share > 0:
            if not shares:
                control = segments
            if not shares or one.share != shares[-1][1]:
                shares.append((since, one.share))
            if one.apart is not None:
                column = one.apart.column
                apart = {value: apart.get(value, since) for value in one.apart.values}
        segments = segments_after(segments, entry)
    return Ramp(
        salt=salt,
        since=tuple(since for since, _ in shares),
        shares=tuple(share for _, share in shares),
        apart_column=column,
        apart_since=apart,
        control_column=control.column if control else "",
        control={v: c.version for v, c in control.champions.items()} if control else {},
    )


def _fold(state: ReleaseState, entry: Entry) -> ReleaseState:
    """The state after one more entry; ``entries`` is not changed."""
    promotes = entry.transition is not None and entry.transition.stage is Stage.PROMOTED
    admissions, started = state.admissions, state.started
    if entry.outcome == Outcome.START_ROLLOUT and entry.candidate:
        admissions = (*admissions, entry)
    if entry.transition is not None:
        started |= {entry.transition.challenger}
    promotion, holdback = state.promotion, state.holdback
    if entry.moves:
        promotion, holdback = (entry if promotes else None), None
    elif entry.transition is not None:
        holdback = _holdback(state, entry, entry.transition)
        promotion = None
    return replace(
        state,
        admissions=admissions,
        started=started,
        promotion=promotion,
        holdback=holdback,
        trial=_trial(state.trial, entry, admissions),
        segments=segments_after(state.segments, entry),
    )


def segments_after(segments: SegmentChampions | None, entry: Entry) -> SegmentChampions | None:
    """The segments' champions after one more entry."""
    if entry.segments is not None:
        return changed_champions(segments, entry.segments, entry.recorded_at)
    return None if replaces_all(entry) else segments


def replaces_all(entry: Entry) -> bool:
    """Whether one version answers all entities from an entry on, in place of every champion."""
    undoes_refresh = entry.kind == "stop" or (entry.kind == "rollback" and entry.recipe != "")
    return entry.moves and entry.lane != "refresh" and not undoes_refresh


def _holdback(state: ReleaseState, entry: Entry, transition: Transition) -> Holdback | None:
    if transition.stage is not Stage.HOLDBACK:
        return None
    if state.promotion is None or state.promotion.champion_after is None:
        raise IntegrityError(
            "a holdback does not follow a promotion",
            where=f"ledger of {entry.model}, entry {entry.sequence}",
            wanted="a holdback right after the promotion that it observes",
        )
    return Holdback(
        model=entry.model,
        champion=state.promotion.champion_after,
        promotion=state.promotion,
        transition=transition,
        since=entry.recorded_at,
    )


def _trial(trial: Trial | None, entry: Entry, admissions: tuple[Entry, ...]) -> Trial | None:
    if entry.transition is None:
        if trial is not None and entry.changes_champions:
            return trial.model_copy(update={"void": True})
        return trial
    if entry.transition.stage not in ON_TRIAL:
        return None
    if trial is not None and trial.challenger == entry.transition.challenger:
        before = trial.transition
        same = (before.stage, before.step) == (entry.transition.stage, entry.transition.step)
        since = trial.since if same else entry.recorded_at  # a segment left: the stage goes on
        return trial.model_copy(update={"transition": entry.transition, "since": since})
    admitted = [one for one in admissions if one.candidate == entry.transition.challenger]
    if not admitted or entry.champion_before is None:
        raise IntegrityError(
            "a rollout began without an admission",
            where=f"ledger of {entry.model}, entry {entry.sequence}",
            wanted=f"a decision before it by which version {entry.transition.challenger} became a "
            "challenger of a champion",
        )
    return Trial(
        model=entry.model,
        challenger=entry.transition.challenger,
        champion=entry.champion_before,
        admission=admitted[-1],
        transition=entry.transition,
        since=entry.recorded_at,
    )
