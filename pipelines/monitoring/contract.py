"""Alarms from the champion's own suites on fresh rows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import takewhile

from pipelines.core.findings import Finding, Verdict
from pipelines.monitoring.quiet_windows import rate_of
from pipelines.monitoring.report import Alarm, Cause
from pipelines.spec.model import ModelSpec

TABLE = "table"
VOLUME = "volume"
IDENTITY = "identity"
LATE_CHECKS = frozenset({"lag", "lag_median"})
MISSING_ROWS = frozenset({VOLUME, "days", "hours"})
CATEGORY_CHECKS = frozenset({"categories"})


@dataclass(frozen=True)
class CheckedWindow:
    """The findings of both suites on the rows that became known in one window.

    Arguments:
        start: of the window, in known time.
        findings: of the suites.
    """

    start: datetime
    findings: Sequence[Finding]


QuietWindow = frozenset[str]
"""The names of the checks that would have failed in a window of the champion's training."""


def failed(findings: Sequence[Finding]) -> list[Finding]:
    """The blocking findings that did not pass."""
    return [one for one in findings if one.blocking and one.verdict is not Verdict.PASS]


def contract_alarms(
    spec: ModelSpec, windows: Sequence[CheckedWindow], quiet: Sequence[QuietWindow] = ()
) -> tuple[Alarm, ...]:
    """One alarm for each stream, column and cause whose checks fail on the newest window.

    Rows that are missing from a stream whose rows arrive too late are late as well.

    Arguments:
        spec: the champion's declaration.
        windows: newest first; earlier ones are needed only while a check of the newest fails.
        quiet: how often checks were false alarms.
    """
    groups: dict[tuple[str, str, Cause], list[Finding]] = {}
    used = spec.frame.columns_read()
    newest = failed(windows[0].findings)
    late = {stream for stream, _, check in map(_place, newest) if check in LATE_CHECKS}
    for finding in newest:
        stream, column, check = _place(finding)
        whole = finding.verdict is Verdict.NO_DATA
        subject = TABLE if whole else column
        cause = _cause(check, whole or column in used.get(stream, frozenset()), column)
        if check == VOLUME and _grown(finding):
            if spec.streams[stream].id:
                cause = Cause.DRIFT  # no row is counted twice, so there are more events
        elif check in MISSING_ROWS and stream in late:
            cause = Cause.LATE
        groups.setdefault((stream, subject, cause), []).append(finding)
    return tuple(
        _alarm(stream, column, cause, found, windows, quiet)
        for (stream, column, cause), found in groups.items()
    )


def place_of(name: str) -> tuple[str, str, str]:
    """Stream, column and check of a contract finding.

    >>> place_of("contract.envelope.sales.units.range")
    ('sales', 'units', 'range')
    >>> place_of("contract.identity.sales")
    ('sales', 'table', 'identity')
    """
    _, source, *place = name.split(".")
    if len(place) < 3:
        return place[0], TABLE, source
    return place[0], place[1], place[2]


def _place(finding: Finding) -> tuple[str, str, str]:
    return place_of(finding.name)


def _cause(check: str, used: bool, column: str) -> Cause:
    if check in LATE_CHECKS:
        return Cause.LATE
    if column != TABLE and not used:
        return Cause.UNUSED
    return Cause.CATEGORY if check in CATEGORY_CHECKS else Cause.FEED


def _grown(finding: Finding) -> bool:
    """Whether a value is above the bound that it breaks."""
    value, threshold = finding.value, finding.threshold
    return value is not None and threshold is not None and value > threshold


def _explains_least(finding: Finding) -> tuple[bool, bool]:
    """Order of findings about one subject: a range of the envelope compares with training."""
    _, source, *_ = finding.name.split(".")
    return _place(finding)[2] not in {"range", "lag"}, source != "envelope"


def _alarm(
    stream: str,
    column: str,
    cause: Cause,
    found: Sequence[Finding],
    windows: Sequence[CheckedWindow],
    quiet: Sequence[QuietWindow],
) -> Alarm:
    found = sorted(found, key=_explains_least)
    first = found[0]
    names = {one.name for one in found}
    if any(_place(one)[2] == IDENTITY for one in found):
        quiet = ()  # copies are counted when they arrive, and not in earlier windows
    failing = takewhile(
        lambda window: names & {one.name for one in failed(window.findings)}, windows
    )
    return Alarm(
        name=first.name,
        cause=cause,
        subject=stream if column == TABLE else f"{stream}.{column}",
        size=first.value,
        unit=first.unit,
        threshold=first.threshold,
        since=[window.start for window in failing][-1],
        cost=0.0 if cause is Cause.UNUSED else None,
        false_alarm_rate=rate_of([bool(names & window) for window in quiet]),
        quiet_windows=len(quiet),
        evidence=first.reason,
        further=tuple(one.name for one in found[1:]),
    )
