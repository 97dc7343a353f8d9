"""Which two arms of a model's rollouts the effects are measured in."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from pipelines.causal.learner import Learner
from pipelines.causal.report import ArmsOf, SegmentArms
from pipelines.core.errors import DataError
from pipelines.core.names import unknown_name
from pipelines.predictions.assignment import Ramp
from pipelines.release.ledger import Entry
from pipelines.release.rollout.state import ramp_of
from pipelines.release.rollout.transition import Stage
from pipelines.reporting.rollout_page import RolloutHistory, rollout_histories

_WANTED = {"canary": "a challenger in its canary", "holdback": "a promotion with a holdback"}


@dataclass(frozen=True)
class EffectsRequest:
    """Which effects to measure.

    Arguments:
        model: name of the model.
        as_of: nothing that was known later is read.
        version: the version whose rollout is read; None: the newest that reached its canary.
        arms: whether to read the arms of its canary or of the holdback after its promotion.
        learner: the model of effects that groups are found with.
    """

    model: str
    as_of: datetime
    version: str | None = None
    arms: ArmsOf = "canary"
    learner: Learner = Learner.X_LEARNER


@dataclass(frozen=True)
class ArmComparison:
    """The two arms of a rollout.

    Arguments:
        version: the version under test.
        other: the version in the other arm, outside of segments with a champion of their own.
        ramp: shares of the arms.
        ended: when the arms ended; None while they are answered.
    """

    version: str
    other: str
    ramp: Ramp
    ended: datetime | None

    @property
    def segment_arms(self) -> tuple[SegmentArms, ...]:
        """The segments with another version in the control arm, and those that left the arms."""
        ramp = self.ramp
        named = [(ramp.control_column, value) for value in ramp.control]
        named += [(ramp.apart_column, value) for value in ramp.apart_since]
        return tuple(
            SegmentArms(
                column=column,
                value=value,
                control=ramp.control_version({column: value}, self.other),
                left=ramp.left_at({column: value}),
            )
            for column, value in dict.fromkeys(named)
        )


def find_comparison(request: EffectsRequest, entries: Sequence[Entry]) -> ArmComparison:
    """Find the arms that a request is about.

    Arguments:
        request: the request.
        entries: the model's ledger, oldest first.

    Raises:
        SpecError: no such version was on live traffic.
        DataError: no version, or not this one, had such arms yet.
    """
    stage = Stage(request.arms)
    histories = rollout_histories(entries)
    versions = {one.version for one in histories}
    where = f"ledger of {request.model}"
    if request.version is not None and request.version not in versions and versions:
        raise unknown_name(
            "this version was never on live traffic", request.version, versions, where=where
        )
    found = [
        one
        for one in histories
        if request.version in (None, one.version)
        and any(_stage(entry) is stage for entry in one.transitions)
    ]
    if not found:
        raise DataError(
            f"there is no {request.arms} to read yet",
            where=where,
            got=_stages_text(histories),
            wanted=_WANTED[request.arms],
            hint=f"`gauntlet release {request.model}` takes a challenger there",
        )
    return _comparison(found[-1], stage, entries)


def _comparison(history: RolloutHistory, stage: Stage, entries: Sequence[Entry]) -> ArmComparison:
    moves = history.transitions
    first = next(at for at, entry in enumerate(moves) if _stage(entry) is stage)
    transition = moves[first].transition
    if transition is None:
        raise ValueError(f"entry {moves[first].sequence} is no transition")
    later = [*moves[first + 1 :], *filter(None, [history.replaced])]
    return ArmComparison(
        version=history.version,
        other=str(moves[0].champion_before),
        ramp=ramp_of(entries, transition.salt),
        ended=next((one.recorded_at for one in later if _stage(one) is not stage), None),
    )


def _stage(entry: Entry) -> Stage | None:
    return entry.transition.stage if entry.transition else None


def _stages_text(histories: Iterable[RolloutHistory]) -> str:
    listed = [f"version {one.version}: {one.status}" for one in histories]
    return "; ".join(listed) or "no version was on live traffic"
