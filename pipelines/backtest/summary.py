"""From a policy's steps to its result: promotions, those that were lost, the worst weeks."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from pipelines.backtest.live import Live
from pipelines.backtest.policies import Group, Step
from pipelines.backtest.results import PolicyResult, Stretch, VersionChange
from pipelines.backtest.versions import Candidate, Version
from pipelines.core.arrays import Floats

FOLLOWING = 4  # weeks in which a promotion is compared with what it replaced
STRETCH = 4  # weeks of the worst stretch


@dataclass(frozen=True)
class Replayed:
    """A policy's steps over all weeks, and its loss by week.

    Arguments:
        fitted: every fit that the policy would have made.
    """

    name: str
    title: str
    group: Group
    refit: bool
    steps: Sequence[Step]
    weekly: Floats
    fitted: frozenset[Candidate]


def summarize(live: Live, replayed: Replayed, best: Replayed, reference: Replayed) -> PolicyResult:
    """The result of one policy.

    Arguments:
        best: the policy with the lowest loss, for the worst stretch.
        reference: the policy that differences are to.
    """
    steps = replayed.steps
    changes = _changes(live, steps)
    moves = [change for change in changes if change.replaced is not None and not change.stopped]
    following = [change.following for change in moves if change.following is not None]
    effect = live.spec.metric.minimum_effect
    loss = live.mean(replayed.weekly)
    in_force = [step.in_force for step in steps]
    first = next((step.at.date() for step in steps if step.in_force is not None), None)
    predictions = live.losses.predictions
    return PolicyResult(
        name=replayed.name,
        title=replayed.title,
        group=replayed.group,
        refit=replayed.refit,
        loss=loss,
        value=0.0 - loss if live.losses.metric.higher_is_better else loss,
        difference=live.difference(steps, reference.steps),
        promotions=len(moves),
        stops=sum(change.stopped for change in changes),
        ended_canaries=_ended_canaries(steps),
        followed=len(following),
        lost=sum(value > 0 for value in following),
        bad=sum(value > effect for value in following),
        first_version=first,
        weeks_without_version=sum(version is None for version in in_force),
        worst=_worst(live, replayed.weekly, best.weekly),
        fits=len(replayed.fitted),
        fit_seconds=round(sum(predictions.seconds(one) for one in replayed.fitted), 3),
        quarters=live.quarters(steps, reference.steps),
        losses=tuple(None if np.isnan(value) else float(value) for value in replayed.weekly),
        versions=tuple(None if one is None else one.as_of.date() for one in in_force),
        changes=tuple(changes),
        held_back=_held_back(steps),
    )


def _ended_canaries(steps: Sequence[Step]) -> int:
    """How many canaries ended without a promotion."""
    return sum(
        before.trial is not None and now.trial != before.trial != now.in_force
        for before, now in pairwise(steps)
    )


def _held_back(steps: Sequence[Step]) -> dict[str, int]:
    """In how many weeks each finding was against the candidate, most often first."""
    kept = (step for step in steps if step.event in ("kept", "no_candidate"))
    return dict(Counter(reason.finding for step in kept for reason in step.reasons).most_common())


def _changes(live: Live, steps: Sequence[Step]) -> list[VersionChange]:
    changes = []
    before: Version | None = None
    for place, step in enumerate(steps):
        now = step.in_force
        if now is not None and now != before:
            changes.append(
                VersionChange(
                    week=step.at.date(),
                    version=now.as_of.date(),
                    replaced=None if before is None else before.as_of.date(),
                    stopped=step.event == "stopped",
                    following=None if before is None else _following(live, place, now, before),
                    reasons=step.reasons,
                )
            )
        before = now
    return changes


def _following(live: Live, place: int, now: Version, before: Version) -> float | None:
    """The new version's loss minus that of the replaced one in the weeks that followed."""
    if place + FOLLOWING > len(live.mondays):
        return None
    total, points = 0.0, 0
    for week in range(place, place + FOLLOWING):
        monday = live.mondays[week]
        losses = [live.losses.mean(version.serves, monday) for version in (now, before)]
        if losses[0] is not None and losses[1] is not None:
            total += live.points[week] * (losses[0] - losses[1])
            points += int(live.points[week])
    return total / points if points else None


def _worst(live: Live, weekly: Floats, best: Floats) -> Stretch | None:
    """The weeks in a row in which a policy lost most against the best one."""
    points = live.points
    excess = np.where(live.measured, (weekly - best) * points, 0.0)
    width = min(STRETCH, len(excess))
    if not width or not live.measured.any():
        return None
    ones = np.ones(width)
    sums, counts = np.convolve(excess, ones, "valid"), np.convolve(points, ones, "valid")
    means = np.where(counts > 0, sums / np.maximum(counts, 1), -np.inf)
    place = int(np.argmax(means))
    if means[place] <= 0:
        return None
    return Stretch(
        first=live.mondays[place].date(),
        last=live.mondays[place + width - 1].date(),
        excess=float(means[place]),
    )
