"""The rollout of each lane: what a refresh needs on live traffic, and what a changed recipe needs.

A refresh is never without a shadow, because its artefact is new. Where predictions do not change
their labels, the record of the recipe compares both models on all rows, before and after the
promotion. One day of shadow and one week of canary then look for faults in serving, and no entities
are held back. Where predictions do change their labels, a refresh goes through the declared
rollout, with the first and the last of its looks.
"""

from __future__ import annotations

from datetime import timedelta

from pipelines.release.policies import Lane
from pipelines.spec.rollout import Rollout

REFRESH_SHADOW = timedelta(days=1)


def record_watches(rollout: Rollout, lane: Lane) -> bool:
    """Whether the record of the recipe judges the outcome, so that the canary need not."""
    return lane == "refresh" and not rollout.shadow.predictions_affect_outcomes


def rollout_of(declared: Rollout, lane: Lane) -> Rollout:
    """The rollout of a candidate in one lane.

    Arguments:
        declared: the rollout that the candidate's version declares.
        lane: how the candidate was judged.
    """
    shadow, canary = declared.shadow, declared.canary
    if lane != "refresh":
        return declared
    if record_watches(declared, lane):
        shadow = shadow.model_copy(update={"duration": min(shadow.duration, REFRESH_SHADOW)})
        canary = canary.model_copy(update={"holdback": 0.0})
    else:
        ends = sorted({canary.looks[0], canary.looks[-1]})
        canary = canary.model_copy(update={"looks": tuple(ends)})
    return declared.model_copy(update={"shadow": shadow, "canary": canary})
