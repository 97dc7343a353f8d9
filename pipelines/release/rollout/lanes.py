"""The rollout of each lane: what a refresh needs on live traffic, and what a changed recipe needs.

A refresh is never without a shadow, because its artefact is new. Where predictions do not change
their labels, the record of the recipe compares both models on all rows, before and after the
promotion. One day of shadow and one week of canary then look for faults in serving, and no entities
are held back. Where predictions do change their labels, a refresh goes through the declared
rollout, with the first and the last of its looks. Once the canaries of earlier refreshes have
proved that refreshing pays, its canary ends after a week without harm; shadow and holdback stay.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import timedelta

from pipelines.gates.canary.pooled_refreshes import PooledRefreshes, outcome_key
from pipelines.gates.canary.refresh_gain import RefreshGain
from pipelines.predictions.segments import SegmentValues
from pipelines.release.ledger import Entry
from pipelines.release.policies import Lane
from pipelines.spec.model import ModelSpec
from pipelines.spec.rollout import Rollout

REFRESH_SHADOW = timedelta(days=1)


def record_watches(rollout: Rollout, lane: Lane) -> bool:
    """Whether the record of the recipe judges the outcome, so that the canary need not."""
    return lane == "refresh" and not rollout.shadow.predictions_affect_outcomes


def pooled_refreshes(
    entries: Iterable[Entry], spec: ModelSpec, rollout: Rollout, lane: Lane
) -> PooledRefreshes | None:
    """The finished canaries of a recipe's refreshes; None where the record judges the outcome.

    A rollback to an earlier champion makes a lost bet of each refresh that was promoted since that
    champion. One to a later champion repairs a rollback, and marks none.

    Arguments:
        entries: the model's ledger, oldest first.
        spec: as the candidate's version declares it.
        rollout: that of the declaration.
        lane: how the candidate was judged.
    """
    if lane != "refresh" or record_watches(rollout, lane):
        return None
    key = outcome_key(rollout)
    found: dict[str, RefreshGain] = {}
    champions: list[str] = []  # in the order of their promotions
    for entry in entries:
        before, after = entry.champion_before, entry.champion_after
        gain = entry.transition.gain if entry.transition else None
        if entry.transition and gain and gain.outcome == key and spec.has_recipe(entry.recipe):
            found[entry.transition.challenger] = gain
        elif entry.kind in ("rollback", "stop") and before and after:
            for undone in champions[champions.index(after) + 1 : champions.index(before) + 1]:
                if undone in found:
                    found[undone] = found[undone].model_copy(update={"gain": None})
        if after and after not in champions:
            champions.append(after)
    unit, alpha = rollout.canary.outcome.name, spec.gates.refresh.alpha
    return PooledRefreshes(tuple(found.values()), alpha, unit)


def rollout_without(rollout: Rollout, apart: SegmentValues | None) -> Rollout:
    """A rollout without the guardrails of segments that are in no arm.

    Arguments:
        rollout: as it is declared.
        apart: the segments that are in no arm; None: none is.
    """
    if apart is None:
        return rollout
    inside = []
    for part in rollout.canary.segments:
        gone = apart.values if part.column == apart.column else ()
        if values := tuple(value for value in part.values if value not in gone):
            inside.append(part.model_copy(update={"values": values}))
    canary = rollout.canary.model_copy(update={"segments": tuple(inside)})
    return rollout.model_copy(update={"canary": canary})


def rollout_of(declared: Rollout, lane: Lane) -> Rollout:
    """The rollout of a candidate in one lane.

    Arguments:
        declared: the rollout that the candidate's version declares.
        lane: how the candidate was judged.
    """
    shadow, canary = declared.shadow, declared.canary
    if lane != "refresh":
        return declared
    canary = canary.model_copy(update={"promote": "all"})  # there is no gain to claim of a segment
    if record_watches(declared, lane):
        shadow = shadow.model_copy(update={"duration": min(shadow.duration, REFRESH_SHADOW)})
        canary = canary.model_copy(update={"holdback": 0.0})
    else:
        ends = sorted({canary.looks[0], canary.looks[-1]})
        canary = canary.model_copy(update={"looks": tuple(ends)})
    return declared.model_copy(update={"shadow": shadow, "canary": canary})
