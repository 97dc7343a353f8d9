"""The part of a review page about a refresh: what age costs, and what would change the decision."""

from __future__ import annotations

from collections.abc import Sequence

from pipelines.core.findings import Finding, Gate
from pipelines.reporting.markdown import SIGNS, sentence

_ORDER = (
    "refresh.record",
    "refresh.age",
    "refresh.looks_better",
    "refresh.tested",
    "refresh.pays",
    "refresh.stop",
)
# The evidence of the presets `tested`, `likely` and `proved`, and `better`.
_EVIDENCE = ("refresh.tested", "refresh.age", "refresh.looks_better")


def is_refresh(findings: Sequence[Finding]) -> bool:
    """Whether the candidate was judged as a refresh."""
    return any(finding.gate is Gate.REFRESH and finding.blocking for finding in findings)


def deciding_finding(findings: Sequence[Finding]) -> Finding | None:
    """The finding that a headline about a refresh quotes: of the declared preset's own evidence."""
    blocking = {finding.name: finding for finding in findings if finding.blocking}
    return next((blocking[name] for name in _EVIDENCE if name in blocking), None)


def refresh_section(findings: Sequence[Finding], champion: str | None) -> str:
    """One line for each finding, in Markdown, those that decide first; empty for a changed recipe.

    Arguments:
        findings: of the decision.
        champion: the version that the refresh would replace.
    """
    if not is_refresh(findings):
        return ""
    by_name = {finding.name: finding for finding in findings}
    shown = sorted((by_name[name] for name in _ORDER if name in by_name), key=_only_shown)
    lines = [
        f"- {SIGNS[one.verdict]}{'' if one.blocking else ' (shown only)'} {sentence(one.reason)}"
        for one in shown
    ]
    note = (
        f"A refresh has the recipe of version {champion} and newer data. Whether it is promoted "
        "depends on the findings below; the refit that serves is not shown to be better."
    )
    return "\n".join(["### Refresh: what age costs", "", note, "", *lines])


def _only_shown(finding: Finding) -> bool:
    return not finding.blocking
