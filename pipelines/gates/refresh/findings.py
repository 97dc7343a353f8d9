"""Findings about a refresh: the cost of age, the recent window, and the stop-loss."""

from __future__ import annotations

import math
from dataclasses import dataclass

from pipelines.core.counts import counted
from pipelines.core.findings import Finding, Measurement, Verdict, make_finding
from pipelines.gates.refresh.names import STOP
from pipelines.gates.refresh.state import RefreshState, ReplacedAccount
from pipelines.spec.training import RefreshEvidence, RefreshGate

LEVEL = 0.9  # coverage of shown intervals
_NOT_COMPARED = "nothing was compared on the recent window"
_POOLED = (RefreshEvidence.LIKELY, RefreshEvidence.PROVED)


@dataclass(frozen=True)
class TwinComparison:
    """The candidate's held-out twin against the champion's, on the recent window.

    Arguments:
        gain: mean utility of the candidate's twin minus that of the champion's.
        p_value: one-sided, of "the candidate's twin is not better"; ``None`` where the error of
            the gain does not exist.
    """

    gain: float
    p_value: float | None


def refresh_findings(
    gate: RefreshGate, unit: str, state: RefreshState, twins: TwinComparison | None
) -> tuple[Finding, ...]:
    """All findings of this gate.

    Arguments:
        gate: the declared thresholds.
        unit: the primary metric's name.
        state: what the record says.
        twins: the comparison on the recent window; ``None`` where nothing could be compared.
    """
    found = [
        _record(gate, unit, state),
        _age(gate, unit, state),
        _looks_better(gate, unit, state, twins),
    ]
    if gate.evidence is RefreshEvidence.TESTED:
        found.append(_tested(gate, unit, twins))
    return (*found, stop_finding(gate, state), _pays(gate, state))


def restored_by_stop(gate: RefreshGate, state: RefreshState) -> ReplacedAccount | None:
    """The account of the version that the stop-loss restores; ``None`` while it does not act.

    It does not act while refreshes wait for a person. No refresh has been promoted since the last
    stop then, so what the champion loses is not the cost of a refresh.
    """
    return None if state.needs_person else _beyond_limit(gate, state)


def _beyond_limit(gate: RefreshGate, state: RefreshState) -> ReplacedAccount | None:
    """The account with the largest loss, if that is more than the limit."""
    worst = state.worst
    return worst if worst is not None and worst.lost > gate.stop else None


def _record(gate: RefreshGate, unit: str, state: RefreshState) -> Finding:
    """Whether the record has enough weeks, and the evidence that the declaration requires."""
    cost, blocking = state.cost, gate.evidence in _POOLED
    if cost is None or state.weeks < gate.least:
        lacking = gate.least - state.weeks
        return make_finding(
            "refresh.record",
            Verdict.NO_DATA,
            f"the record has {state.weeks} of the {gate.least} weeks that it needs: "
            f"{counted(lacking, 'more week')} with labels, candidates of two ages and a freshest "
            "candidate of its own",
            Measurement(rows=state.weeks),
            blocking=blocking,
        )
    if gate.evidence is RefreshEvidence.PROVED:
        enough = state.evidence >= 1 / gate.alpha
        held = f"evidence {_to_one(state.evidence)}, wanted {1 / gate.alpha:.0f} to 1"
    else:
        enough = cost.p_value <= gate.level
        held = f"p {cost.p_value:.2g}, tested at {gate.level:g}"
    summary = f"{describe_cost(state, unit)}; {held}"
    if enough:
        verdict, reason = Verdict.PASS, summary
    elif cost.estimate <= 0:
        verdict = Verdict.INCONCLUSIVE
        reason = f"age has not been shown to cost anything: {summary}"
    else:
        wanted = cost.weeks_until(gate.level)
        later = (
            f"; about {wanted} weeks with a new candidate each would be enough if the cost stays"
            if gate.evidence is RefreshEvidence.LIKELY and wanted is not None
            else ""
        )
        verdict, reason = (
            Verdict.INCONCLUSIVE,
            f"the cost of age is not sure enough: {summary}{later}",
        )
    return make_finding(
        "refresh.record",
        verdict,
        reason,
        Measurement(
            value=cost.estimate, interval=cost.interval(LEVEL), unit=unit, rows=state.weeks
        ),
        blocking=blocking,
    )


def describe_cost(state: RefreshState, unit: str) -> str:
    """The cost of a week of age in one sentence; needs a record of two weeks."""
    cost = state.cost
    if cost is None:
        return f"the cost of age is not known: the record has {counted(state.weeks, 'week')}"
    interval = cost.interval(LEVEL)
    return (
        f"a week of age costs {cost.estimate:.3g} {unit} ({interval.low:.3g} to "
        f"{interval.high:.3g}; {counted(state.weeks, 'week')}, "
        f"{counted(state.candidates, 'candidate')})"
    )


def _age(gate: RefreshGate, unit: str, state: RefreshState) -> Finding:
    """Whether the champion's age costs enough for a refresh."""
    cost, share = state.cost, state.cost_of_champion
    blocking = gate.evidence in _POOLED
    if cost is None or share is None:
        return make_finding(
            "refresh.age",
            Verdict.NO_DATA,
            "the cost of the champion's age is not known: the record is too short",
            blocking=blocking,
        )
    total, wanted = share * state.minimum_effect, gate.cost * state.minimum_effect
    reason = f"the candidate is {counted(round(state.age, 1), 'week')} newer than the champion, "
    if cost.estimate <= 0:
        reason += "and age has not been shown to cost anything"
    else:
        reason += f"which is worth about {total:.3g} {unit}; a refresh needs {wanted:.3g}"
    if share < gate.cost and cost.estimate > 0:
        weeks = math.ceil(wanted / cost.estimate - state.age)
        reason += f", which is reached in about {counted(max(1, weeks), 'week')}"
    return make_finding(
        "refresh.age",
        Verdict.PASS if share >= gate.cost else Verdict.INCONCLUSIVE,
        reason,
        Measurement(value=total, threshold=wanted, unit=unit, rows=state.weeks),
        blocking=blocking,
    )


def _overdue(gate: RefreshGate, state: RefreshState) -> bool:
    """Whether age costs so much that the recent window need not agree."""
    cost, share = state.cost, state.cost_of_champion
    if cost is None or share is None or state.weeks < gate.least:
        return False
    return cost.p_value <= gate.level and share >= gate.overdue


def _looks_better(
    gate: RefreshGate, unit: str, state: RefreshState, twins: TwinComparison | None
) -> Finding:
    """Whether the held-out twin has the better metric on the recent window."""
    if twins is None:
        return make_finding("refresh.looks_better", Verdict.NO_DATA, _NOT_COMPARED)
    better, overdue = twins.gain > 0, _overdue(gate, state)
    compared = (
        f"on the recent window the candidate's twin is {'better' if better else 'worse'} than the "
        f"champion's by {abs(twins.gain):.3g} {unit}"
    )
    if better:
        verdict, reason = Verdict.PASS, f"{compared}; this is not a proof"
    elif overdue:
        verdict = Verdict.PASS
        reason = f"{compared}, but the champion's age alone costs more than {gate.overdue:g} of the"
        reason += " minimum effect"
    else:
        verdict, reason = Verdict.INCONCLUSIVE, compared
    return make_finding(
        "refresh.looks_better",
        verdict,
        reason,
        Measurement(value=twins.gain, threshold=0.0, unit=unit),
    )


def _tested(gate: RefreshGate, unit: str, twins: TwinComparison | None) -> Finding:
    """Whether the held-out twin is shown to be better, at the level of one refresh."""
    if twins is None:
        return make_finding("refresh.tested", Verdict.NO_DATA, _NOT_COMPARED)
    p = twins.p_value
    if p is None:
        return make_finding(
            "refresh.tested",
            Verdict.NO_DATA,
            "the error of the difference between the twins does not exist",
            Measurement(value=twins.gain, unit=unit),
        )
    passed = p <= gate.tested_level
    return make_finding(
        "refresh.tested",
        Verdict.PASS if passed else Verdict.INCONCLUSIVE,
        f"the candidate's twin is {'' if passed else 'not '}shown to be better than the "
        f"champion's: gain {twins.gain:.3g} {unit}, p {p:.2g}, tested at {gate.tested_level:g}",
        Measurement(value=twins.gain, unit=unit),
    )


def stop_finding(gate: RefreshGate, state: RefreshState) -> Finding:
    """Whether refreshes have lost too much against a version that they replaced."""
    worst = state.worst
    measured = Measurement(
        value=worst.lost if worst else 0.0, threshold=gate.stop, unit="minimum effects x weeks"
    )
    beyond = _beyond_limit(gate, state)
    waits = (
        f"the stop-loss has acted {gate.stops} times within {gate.watch.days} days: refreshes wait "
        "until a person answers"
    )
    if beyond is not None:
        verdict = Verdict.FAIL
        lost = (
            f"{beyond.lost:.3g} weeks of one minimum effect have been lost against version "
            f"{beyond.version}, replaced {beyond.replaced_at:%Y-%m-%d}{_live(beyond)}, more than "
            f"{gate.stop:g}"
        )
        reason = f"{lost}: it is restored"
        if state.needs_person:
            reason = f"{waits}. Since then {lost}: it is not restored again without a person"
    elif state.needs_person:
        verdict, reason = Verdict.INCONCLUSIVE, waits
    elif state.rests_until is not None:
        verdict = Verdict.INCONCLUSIVE
        reason = f"no refreshes until {state.rests_until:%Y-%m-%d}, after the stop-loss acted"
    else:
        verdict = Verdict.PASS
        reason = "no version was replaced within the watch"
        if worst is not None:
            side = "lost" if worst.lost > 0 else "gained"
            reason = (
                f"against version {worst.version}, replaced {worst.replaced_at:%Y-%m-%d}, "
                f"refreshes have {side} {abs(worst.lost):.3g} weeks of one minimum effect"
                f"{_live(worst)}; they stop at a loss of {gate.stop:g}"
            )
    return make_finding(STOP, verdict, reason, measured)


def _live(account: ReplacedAccount) -> str:
    """How much of an account was measured on live traffic."""
    if not account.live_weeks:
        return ""
    return f" ({account.live_weeks} of {counted(account.weeks, 'week')} measured by a holdback)"


def _pays(gate: RefreshGate, state: RefreshState) -> Finding:
    """Whether it is proved that refreshing this recipe pays; only shown."""
    wanted = 1 / gate.alpha
    proved = state.evidence >= wanted
    return make_finding(
        "refresh.pays",
        Verdict.PASS if proved else Verdict.INCONCLUSIVE,
        f"refreshing this recipe has {'' if proved else 'not '}been proved to pay, in the weeks so "
        f"far (evidence {_to_one(state.evidence)}, {wanted:.0f} needed)",
        Measurement(value=state.evidence, threshold=wanted, rows=state.weeks),
        blocking=False,
    )


def _to_one(evidence: float) -> str:
    return f"{evidence:.3g} to 1"
