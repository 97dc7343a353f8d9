"""Verdicts, and findings: one checked fact each. Only ``pass`` can move anything forward."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable
from enum import StrEnum

from pydantic import Field

from pipelines.core.records import Record


class Verdict(StrEnum):
    """The four answers a gate may give."""

    PASS = "pass"  # noqa: S105
    FAIL = "fail"
    INCONCLUSIVE = "inconclusive"
    NO_DATA = "no_data"


class Gate(StrEnum):
    """The gates in the order in which they run."""

    CONTRACT = "contract"
    AVAILABILITY = "availability"
    RECENT_WINDOW = "recent_window"
    AUDIT = "audit"
    BUDGET = "budget"
    SHADOW = "shadow"
    CANARY = "canary"

    def finding(self, name: str, verdict: Verdict, reason: str, **facts: object) -> Finding:
        """A finding of this gate, whose name comes before the finding's own."""
        about = {"gate": self, "name": f"{self}.{name}", "verdict": verdict, "reason": reason}
        return Finding.model_validate(about | facts)


class Interval(Record):
    """A confidence interval; an open side is ``None``."""

    low: float | None
    high: float | None
    level: float = Field(gt=0, lt=1, description="coverage, for instance 0.95")


class Finding(Record):
    """One checked fact.

    ``name`` is stable and dotted (``contract.envelope.dispensing.quantity.range``): it is what
    a trap test, an alert and a reader search for. ``blocking`` is false for facts that are
    shown and do not decide.
    """

    gate: Gate
    name: str = Field(pattern=r"^[a-z0-9_]+(\.[A-Za-z0-9_\-]+)*$")
    verdict: Verdict
    reason: str = Field(description="one sentence for the person who is paged")
    value: float | None = None
    interval: Interval | None = None
    threshold: float | None = None
    unit: str = ""
    rows: int | None = None
    blocking: bool = True


def slug(value: str) -> str:
    """A value as a finding's name allows it; where that changes it, a hash keeps it apart.

    >>> slug("north"), slug("a b")
    ('north', 'a_b-c8687a')
    """
    plain = re.sub(r"[^A-Za-z0-9_\-]+", "_", value)[:60]
    if plain == value and plain:
        return plain
    return f"{plain or 'empty'}-{hashlib.sha256(value.encode()).hexdigest()[:6]}"


def overall(findings: Iterable[Finding]) -> Verdict:
    """The verdict over all blocking findings: the worst of them; ``no_data`` when there is none.

    ``fail`` is worse than ``no_data``, which is worse than ``inconclusive``.
    """
    verdicts = {finding.verdict for finding in findings if finding.blocking}
    for worst in (Verdict.FAIL, Verdict.NO_DATA, Verdict.INCONCLUSIVE, Verdict.PASS):
        if worst in verdicts:
            return worst
    return Verdict.NO_DATA
