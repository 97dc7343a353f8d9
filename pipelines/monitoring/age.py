"""The cost of the champion's age, and the account of the refreshes that led to it."""

from __future__ import annotations

from datetime import datetime

from pipelines.core.weeks import WEEK
from pipelines.gates.refresh.findings import restored_by_stop
from pipelines.gates.refresh.names import STOP
from pipelines.gates.refresh.state import RefreshState
from pipelines.monitoring.report import Age, Alarm, Cause
from pipelines.spec.model import ModelSpec

COST = "age.cost"


def champion_age(state: RefreshState) -> Age:
    """The age, and what the recipe's record says about its cost."""
    cost = state.cost
    return Age(
        weeks=state.age,
        cost_of_week=cost,
        cost=None if cost is None else cost.estimate * state.age,
    )


def age_alarm(spec: ModelSpec, state: RefreshState, trained_until: datetime) -> Alarm | None:
    """The alarm of an age that costs more than ``monitor.cost``; ``None`` without one.

    Arguments:
        spec: the declaration with the settings of monitoring.
        state: what the record says, with a candidate trained as of the report's instant.
        trained_until: the end of the champion's training labels.
    """
    gate, cost = spec.gates.refresh, state.cost
    limit = spec.monitor.cost * spec.metric.minimum_effect
    if cost is None or state.weeks < gate.least or cost.p_value > gate.level:
        return None
    whole = cost.estimate * state.age
    if whole < limit:
        return None
    unit = spec.metric.name.value
    return Alarm(
        name=COST,
        cause=Cause.MODEL,
        subject=unit,
        size=state.age,
        unit="weeks",
        threshold=limit / cost.estimate,
        since=trained_until + limit / cost.estimate * WEEK,
        cost=whole,
        evidence=f"the champion is {state.age:.3g} weeks old, and a week of age costs "
        f"{cost.estimate:.3g} {unit} ({state.weeks} weeks, p {cost.p_value:.2g}): about "
        f"{whole:.3g}, alarm from {limit:.3g}",
    )


def account_alarm(spec: ModelSpec, state: RefreshState) -> Alarm | None:
    """The alarm of refreshes that lost more than the stop-loss allows; ``None`` without one."""
    account = restored_by_stop(spec.gates.refresh, state)
    if account is None:
        return None
    weeks = max(account.weeks, 1)
    return Alarm(
        name=STOP,
        cause=Cause.EARLIER_VERSION,
        subject=f"version {account.version}",
        size=account.lost,
        unit="minimum effects x weeks",
        threshold=spec.gates.refresh.stop,
        since=account.replaced_at,
        cost=account.lost / weeks * state.minimum_effect,
        evidence=f"since version {account.version} was replaced, refreshes have lost "
        f"{account.lost:.3g} weeks of one minimum effect against it",
    )
