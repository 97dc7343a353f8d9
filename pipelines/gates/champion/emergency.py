"""What follows from a champion that is worse than the naive forecast."""

from __future__ import annotations

from collections.abc import Iterable

from pipelines.core.findings import Finding, Gate, Verdict

WORSE_THAN_NAIVE = "champion.worse_than_naive"
_BETTER_THAN_BOTH = {"recent_window.primary", "recent_window.baseline"}


def alarms(findings: Iterable[Finding]) -> list[Finding]:
    """The findings that show a champion to be worse than the naive forecast: at most one."""
    return [f for f in findings if f.name == WORSE_THAN_NAIVE and f.verdict is Verdict.FAIL]


def is_emergency(findings: Iterable[Finding]) -> bool:
    """Whether a candidate may replace a champion that is worse than the naive forecast.

    It is shown to be better than both. A candidate that is not is judged as without the alarm: a
    broken champion is no reason to refuse what would have been accepted.
    """
    found = list(findings)
    passed = {finding.name for finding in found if finding.verdict is Verdict.PASS}
    return bool(alarms(found)) and passed >= _BETTER_THAN_BOTH


def without_the_record(findings: Iterable[Finding]) -> tuple[Finding, ...]:
    """The findings of an emergency: those of the recipe's record are only shown.

    What a week of age costs says nothing about a champion that is worse than a constant.
    """
    return tuple(
        finding.model_copy(update={"blocking": False}) if finding.gate is Gate.REFRESH else finding
        for finding in findings
    )
