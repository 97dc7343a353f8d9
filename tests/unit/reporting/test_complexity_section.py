"""The review page says whether a simple model would do."""

from __future__ import annotations

from pipelines.core.findings import Verdict, make_finding
from pipelines.reporting.complexity_section import complexity_section


def test_both_findings_are_shown_and_others_are_not() -> None:
    findings = (
        make_finding("recent_window.training_gap", Verdict.PASS, "a gap of 0.1", blocking=False),
        make_finding("recent_window.primary", Verdict.PASS, "better"),
        make_finding("recent_window.simple_rival", Verdict.FAIL, "a tree will do", blocking=False),
    )
    assert complexity_section(findings).splitlines() == [
        "### Complexity (shown only)",
        "",
        "- ✘ fail A tree will do.",
        "- ✔ pass A gap of 0.1.",
    ]
    assert complexity_section(findings[1:2]) == ""
