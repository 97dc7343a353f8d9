"""Text from outside changes no page: the same headings, tables, lists and tags with every text."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from pipelines.monitoring.report import Cause
from pipelines.release.policy import Decision
from pipelines.reporting.monitor_page import report_page
from pipelines.reporting.retraining.sections import VersionReview
from pipelines.reporting.retraining.version_page import version_page
from pipelines.reporting.rollout_page import rollout_histories, rollout_page
from pipelines.reporting.status.model_status import Overview, PendingTask
from pipelines.reporting.status.status_page import status_page
from tests.support.monitor_reports import alarm, measured_report
from tests.support.release.reviewed_candidate import reviewed
from tests.unit.core.test_markup import MARKDOWN, Tags, structure
from tests.unit.reporting.retraining.test_version_page import decided
from tests.unit.reporting.status.test_status_page import LINKS
from tests.unit.reporting.status.test_status_text import BUSY, NOW
from tests.unit.reporting.test_rollout_page import OFFLINE, WON, chain

__all__ = ["reviewed"]

ODD = [
    "<script>alert(1)</script> <!-- <img src=x>",
    "*a* _b_ `c` ~~d~~ [e](http://f) ![g](h) [i]: j",
    "a | b |\n---\n# c\n\n- d\n1. e\n```\nf\n</pre>",
    "*Review before live traffic:*\n\nx",
    "](extra_files/plots/x.png) \\ & &lt; \x1b[31m",
]


def of_version(text: str, make: Callable[..., VersionReview]) -> str:
    about = decided(make(-2.0))
    findings = tuple(one.model_copy(update={"reason": text}) for one in about.findings)
    decision = about.decision.model_copy(update={"reasons": (text,)}) if about.decision else None
    assert isinstance(decision, Decision)
    spec = about.spec.model_copy(update={"owner": text})
    return version_page(
        replace(
            about,
            spec=spec,
            findings=findings,
            decision=decision,
            origin=text,
            changes=(text, "features"),
        )
    )


def of_rollout(text: str) -> str:
    entries = [
        one.model_copy(update={"reasons": (text, text)})
        for one in chain(*WON, ("shadow", "3", "2"))
    ]
    return rollout_page(rollout_histories(entries)[-1], None, OFFLINE)


def of_report(text: str) -> str:
    return report_page(measured_report(alarm(Cause.FEED, evidence=text))).text


def of_status(text: str) -> str:
    due = (PendingTask(what=text, next_step=text),)
    model = BUSY.model_copy(update={"owner": text, "problems": (text,), "pending": due})
    return status_page(Overview(at=NOW, models=(model,)), LINKS)


def of_markdown(page: str) -> list[str]:
    return [one for one in structure(MARKDOWN.parse(page)) if one != "text_special"]


@pytest.mark.parametrize("text", ODD)
def test_a_page_of_markdown_keeps_its_structure(
    text: str, reviewed: Callable[..., VersionReview]
) -> None:
    assert of_markdown(of_version(text, reviewed)) == of_markdown(of_version("plain", reviewed))
    assert of_markdown(of_rollout(text)) == of_markdown(of_rollout("plain"))
    assert of_markdown(of_report(text)) == of_markdown(of_report("plain"))


@pytest.mark.parametrize("text", ODD)
def test_a_page_of_html_keeps_its_tags(text: str) -> None:
    def tags(page: str) -> list[object]:
        parser = Tags()
        parser.feed(page)
        parser.close()
        return parser.tags

    assert tags(of_status(text)) == tags(of_status("plain"))
