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


def is_refresh(findings: Sequence[Finding]) -> bool:
    """Whether the candidate was judged as a refresh."""
    return any(finding.gate is Gate.REFRESH and finding.blocking for finding in findings)


def refresh_section(findings: Sequence[Finding], champion: str | None) -> str:
    """One line for each finding, in Markdown; empty for a changed recipe.

    Arguments:
        findings: of the decision.
        champion: the version that the refresh would replace.
    """
    if not is_refresh(findings):
        return ""
    by_name = {finding.name: finding for finding in findings}
    lines = [
        f"- {SIGNS[by_name[name].verdict]} {sentence(by_name[name].reason)}"
        for name in _ORDER
        if name in by_name
    ]
    note = (
        f"A refresh has the recipe of version {champion} and newer data. Whether it is promoted "
        "depends on what age costs this recipe; it is not shown to be better than that version."
    )
    return "\n".join(["### Refresh: what age costs", "", note, "", *lines])
