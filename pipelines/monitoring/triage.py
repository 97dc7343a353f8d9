"""From alarms to one recommended action."""

from __future__ import annotations

from collections.abc import Sequence

from pipelines.monitoring.report import Action, ActionKind, Alarm, Cause, Health, Performance

ACTIONS = {
    Cause.FEED: ActionKind.FIX_FEED,
    Cause.LATE: ActionKind.WAIT_FOR_LABELS,
    Cause.EARLIER_VERSION: ActionKind.ROLL_BACK,
    Cause.CATEGORY: ActionKind.ADD_CATEGORY,
    Cause.MODEL: ActionKind.RETRAIN,
}
NEXT_STEPS = {
    ActionKind.FIX_FEED: "correct the feed and import its days again; if the values are right, "
    "waive the findings: `gauntlet retrain {model} --waive {finding} --reason ...`",
    ActionKind.WAIT_FOR_LABELS: "wait until the late rows have arrived; do not retrain before",
    ActionKind.ROLL_BACK: "`gauntlet rollback {model} --reason ...`",
    ActionKind.ADD_CATEGORY: "check that the new values are right, then accept them: "
    "`gauntlet retrain {model} --waive {finding} --reason ...`",
    ActionKind.RETRAIN: "`gauntlet retrain {model}`",
}


def ranked(alarms: Sequence[Alarm]) -> tuple[Alarm, ...]:
    """The alarms by cost, unknown costs first: what is not known may be large."""
    return tuple(
        sorted(alarms, key=lambda one: float("inf") if one.cost is None else one.cost, reverse=True)
    )


def triage(model: str, alarms: Sequence[Alarm]) -> Action:
    """The action that comes first.

    Broken data comes before everything else, because no other evidence can be trusted until it is
    corrected. Late labels come next, for the same reason. An earlier version that does better can
    be restored at once. New categories and a worse or old model need a retraining.

    Arguments:
        model: its name.
        alarms: ranked.
    """
    for cause, kind in ACTIONS.items():
        own = [alarm for alarm in alarms if alarm.cause is cause]
        if own:
            first = own[0]
            costs = [alarm.cost for alarm in own if alarm.cost is not None]
            return Action(
                kind=kind,
                reason=first.evidence,
                alarms=tuple(alarm.name for alarm in own),
                gain=max(costs, default=None),
                next_step=NEXT_STEPS[kind].format(model=model, finding=first.name),
            )
    unused = tuple(alarm.name for alarm in alarms)
    return Action(
        kind=ActionKind.NONE,
        reason="only data that the model does not read has changed"
        if unused
        else "no change is larger than its threshold",
        alarms=unused,
    )


def health(alarms: Sequence[Alarm], performance: Performance) -> Health:
    """The health of the model: of its data first, then of its performance."""
    causes = {alarm.cause for alarm in alarms}
    if causes & {Cause.FEED, Cause.LATE, Cause.CATEGORY}:
        return "broken_data"
    if causes & {Cause.EARLIER_VERSION, Cause.MODEL}:
        return "degraded"
    served = [week for week in performance.weeks if not week.held_out]
    return "healthy" if served and performance.bound is not None else "unknown"
