"""Findings that did not pass, as lines for a log."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from pipelines.core.findings import Finding, Verdict
from pipelines.gates.catalogue.lookup import entry_of

MOST = 12  # findings with reasons of their own


def problem_lines(findings: Iterable[Finding]) -> Iterator[str]:
    """Two lines for each blocking finding that did not pass, the worst first.

    The first line has verdict and name; the second what was found and wanted, and what to do.
    Findings with the same reason are shown once.
    """
    order = (Verdict.FAIL, Verdict.NO_DATA, Verdict.INCONCLUSIVE)
    bad = [one for one in findings if one.blocking and one.verdict is not Verdict.PASS]
    alike: dict[str, list[Finding]] = {}
    for finding in sorted(bad, key=lambda one: order.index(one.verdict)):
        alike.setdefault(finding.reason, []).append(finding)
    for first, *others in list(alike.values())[:MOST]:
        more = f" and {len(others)} more with the same reason" if others else ""
        yield f"{first.verdict.replace('_', ' ')}: {first.name}{more}"
        entry = entry_of(first.name)
        yield f"    {first.reason}" + (f". To do: {entry.action}" if entry else "")
    if len(alike) > MOST:
        yield f"and {len(alike) - MOST} more reasons: gauntlet explain --all"
