"""Verdicts and findings. A finding is one checked fact; only ``pass`` moves a candidate forward."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

from pydantic import Field

from pipelines.core.records import Record


class Verdict(StrEnum):
    """The four possible verdicts of a gate."""

    PASS = "pass"  # noqa: S105
    FAIL = "fail"
    INCONCLUSIVE = "inconclusive"
    NO_DATA = "no_data"


class Gate(StrEnum):
    """The gates in the order in which they run."""

    CONTRACT = "contract"
    AVAILABILITY = "availability"
    RECENT_WINDOW = "recent_window"
    CHAMPION = "champion"
    REFRESH = "refresh"
    UPDATE = "update"
    AUDIT = "audit"
    BUDGET = "budget"
    SHADOW = "shadow"
    CANARY = "canary"


class Interval(Record):
    """A confidence interval; an open side is ``None``."""

    low: float | None
    high: float | None
    level: float = Field(gt=0, lt=1, description="coverage, for instance 0.95")


class Finding(Record):
    """One checked fact.

    ``name`` is stable and dotted (``contract.envelope.dispensing.quantity.range``), so that tests,
    alerts and readers can search for it. ``blocking`` is false for facts that are shown but do not
    decide.
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


@dataclass(frozen=True)
class Measurement:
    """The number behind a finding: its interval, the threshold it is compared with, unit, rows."""

    value: float | None = None
    interval: Interval | None = None
    threshold: float | None = None
    unit: str = ""
    rows: int | None = None


NOT_MEASURED = Measurement()


def make_finding(
    name: str,
    verdict: Verdict,
    reason: str,
    measured: Measurement = NOT_MEASURED,
    *,
    blocking: bool = True,
) -> Finding:
    """Make a finding; its gate is the first part of its name.

    Arguments:
        name: full dotted name, for instance ``canary.primary``.
        verdict: the verdict.
        reason: one sentence for the person who is paged.
        measured: the number that was compared, if there is one.
        blocking: whether the finding decides; false if it is only shown.

    Raises:
        ValueError: if the name does not start with a gate's name.

    >>> make_finding("audit.live", Verdict.PASS, "better on live points").gate.value
    'audit'
    """
    return Finding(
        gate=Gate(name.partition(".")[0]),
        name=name,
        verdict=verdict,
        reason=reason,
        value=measured.value,
        interval=measured.interval,
        threshold=measured.threshold,
        unit=measured.unit,
        rows=measured.rows,
        blocking=blocking,
    )


def slug(value: str) -> str:
    """A value in the characters that finding names allow; a changed value gets a hash as suffix.

    >>> slug("north"), slug("a b")
    ('north', 'a_b-c8687a')
    """
    plain = re.sub(r"[^A-Za-z0-9_\-]+", "_", value)[:60]
    if plain == value and plain:
        return plain
    return f"{plain or 'empty'}-{hashlib.sha256(value.encode()).hexdigest()[:6]}"


def first_named(findings: Iterable[Finding], *names: str) -> Finding | None:
    """The finding with the first of these names that any finding has; None without any."""
    by_name = {finding.name: finding for finding in findings if finding.name in names}
    return next((by_name[name] for name in names if name in by_name), None)


def reasons_against(findings: Iterable[Finding]) -> list[str]:
    """The reasons of the blocking findings that did not pass, each once, the worst first.

    Findings often share a reason: a feed that stopped leaves every check of its stream without
    data.
    """
    order = (Verdict.FAIL, Verdict.NO_DATA, Verdict.INCONCLUSIVE)
    bad = [one for one in findings if one.blocking and one.verdict is not Verdict.PASS]
    ranked = sorted(bad, key=lambda one: order.index(one.verdict))
    return list(dict.fromkeys(one.reason for one in ranked))


def overall(findings: Iterable[Finding]) -> Verdict:
    """The worst verdict of all blocking findings; ``no_data`` when there are none.

    ``fail`` is worse than ``no_data``, which is worse than ``inconclusive``.
    """
    verdicts = {finding.verdict for finding in findings if finding.blocking}
    for worst in (Verdict.FAIL, Verdict.NO_DATA, Verdict.INCONCLUSIVE, Verdict.PASS):
        if worst in verdicts:
            return worst
    return Verdict.NO_DATA
