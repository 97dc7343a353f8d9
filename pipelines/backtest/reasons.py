"""Why a policy decided as it did: findings with their sentences."""

from __future__ import annotations

from collections.abc import Iterable

from pydantic import Field

from pipelines.core.findings import Finding, Verdict
from pipelines.core.records import Record
from pipelines.gates.champion.emergency import alarms
from pipelines.gates.refresh.names import STOP

_EVIDENCE = (
    "recent_window.primary",
    "recent_window.baseline",
    "recent_window.replay",
    "refresh.",
)


class Reason(Record):
    """A finding and its sentence."""

    finding: str = Field(description="its name")
    text: str


def against(findings: Iterable[Finding]) -> tuple[Reason, ...]:
    """The blocking findings that did not pass."""
    return _reasons(f for f in findings if f.blocking and f.verdict is not Verdict.PASS)


def evidence(findings: Iterable[Finding]) -> tuple[Reason, ...]:
    """What the promotion of a candidate rests on, when no finding is against it."""
    found = tuple(findings)
    passed = (f for f in found if f.blocking and f.verdict is Verdict.PASS and f.name != STOP)
    return _reasons((*alarms(found), *(f for f in passed if f.name.startswith(_EVIDENCE))))


def of_finding(name: str, findings: Iterable[Finding]) -> tuple[Reason, ...]:
    """One finding, by name."""
    return _reasons(finding for finding in findings if finding.name == name)


def _reasons(findings: Iterable[Finding]) -> tuple[Reason, ...]:
    return tuple(Reason(finding=finding.name, text=finding.reason) for finding in findings)
