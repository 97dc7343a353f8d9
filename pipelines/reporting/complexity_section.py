"""The part of a review page about a candidate's complexity; it decides nothing."""

from __future__ import annotations

from collections.abc import Sequence

from pipelines.core.findings import Finding
from pipelines.gates.recent_window.complexity import GAP, RIVAL
from pipelines.reporting.markdown import SIGNS, sentence


def complexity_section(findings: Sequence[Finding]) -> str:
    """One line for each finding, in Markdown; empty if complexity was not measured.

    Arguments:
        findings: of the decision.
    """
    shown = [finding for name in (RIVAL, GAP) for finding in findings if finding.name == name]
    if not shown:
        return ""
    lines = [f"- {SIGNS[one.verdict]} {sentence(one.reason)}" for one in shown]
    return "\n".join(["### Complexity (shown only)", "", *lines])
