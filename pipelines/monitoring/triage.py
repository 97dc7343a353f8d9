"""From alarms to one recommended action."""

from __future__ import annotations

from collections.abc import Sequence

from pipelines.monitoring.report import Action, ActionKind, Alarm, Cause, Health, Performance

ACTIONS = {
    Cause.FEED: ActionKind.FIX_FEED,
    Cause.LATE: ActionKind.WAIT_FOR_LABELS,
    Cause.LABEL: ActionKind.CHECK_LABEL,
    Cause.EARLIER_VERSION: ActionKind.ROLL_BACK,
    Cause.CATEGORY: ActionKind.ADD_CATEGORY,
    Cause.MODEL: ActionKind.RETRAIN,
    Cause.DRIFT: ActionKind.WAIT_FOR_LABELS,
}
BROKEN = frozenset({Cause.FEED, Cause.LATE, Cause.CATEGORY})
NEXT_STEPS = {
    Cause.FEED: "correct the feed and import its days again; until then, keep its days out of "
    "training with `gauntlet mark-broken`; if the values are right: {retrain}",
    Cause.LATE: "wait until the late rows have arrived; do not retrain before",
    Cause.LABEL: "find out whether the label has another definition since then; if the new one is "
    "to be predicted: {retrain}",
    Cause.EARLIER_VERSION: "`gauntlet rollback {model} --reason WHY`",
    Cause.CATEGORY: "check that the new values are right, then {retrain}",
    Cause.MODEL: "{retrain}",
    Cause.DRIFT: "whether the change costs anything is known when the labels of these weeks mature",
}


def ranked(alarms: Sequence[Alarm]) -> tuple[Alarm, ...]:
    """The alarms by cost; unknown costs of broken data come first, those of drift last."""

    def cost(alarm: Alarm) -> float:
        if alarm.cost is None:
            return float("inf") if alarm.cause in BROKEN else -1.0
        return alarm.cost

    return tuple(sorted(alarms, key=cost, reverse=True))


def triage(model: str, alarms: Sequence[Alarm]) -> Action:
    """The action that comes first.

    Broken data comes before everything else, because no other evidence can be trusted until it is
    corrected. Late labels come next, for the same reason. A label that may have another definition
    needs a person: every loss since then was measured against it. An earlier version that does
    better can be restored at once. New categories and a worse or old model need a retraining.
    Drift without a known loss is a reason to look again, and drift that was shown to cost nothing
    is none.

    Arguments:
        model: its name.
        alarms: ranked.
    """
    costly = [alarm for alarm in alarms if alarm.cost is None or alarm.cost > 0]
    for cause, kind in ACTIONS.items():
        own = [alarm for alarm in costly if alarm.cause is cause]
        if own:
            costs = [alarm.cost for alarm in own if alarm.cost is not None]
            retrain = _retrain(model, alarms)
            return Action(
                kind=kind,
                reason=own[0].evidence,
                alarms=tuple(alarm.name for alarm in own),
                gain=max(costs, default=None),
                next_step=NEXT_STEPS[cause].format(model=model, retrain=retrain),
            )
    return Action(
        kind=ActionKind.NONE,
        reason="what changed costs nothing" if alarms else "no change is larger than its threshold",
        alarms=tuple(alarm.name for alarm in alarms),
    )


def _retrain(model: str, alarms: Sequence[Alarm]) -> str:
    """The command that retrains although checks of the contract fail."""
    names = [name for alarm in alarms for name in (alarm.name, *alarm.further)]
    waived = [f"--waive {name}" for name in names if name.startswith("contract.")]
    words = [f"gauntlet retrain {model}", *waived, *(["--reason WHY"] if waived else [])]
    return f"`{' '.join(words)}`"


def health(alarms: Sequence[Alarm], performance: Performance) -> Health:
    """The health of the model: of its data first, then of its performance."""
    causes = {alarm.cause for alarm in alarms}
    if causes & BROKEN:
        return "broken_data"
    if causes & {Cause.LABEL, Cause.EARLIER_VERSION, Cause.MODEL}:
        return "degraded"
    served = [week for week in performance.weeks if not week.held_out]
    return "healthy" if served and performance.bound is not None else "unknown"
