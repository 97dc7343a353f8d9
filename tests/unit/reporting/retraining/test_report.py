"""The report of a retraining: one small file that requests nothing, with the verdict first."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from html.parser import HTMLParser

from pipelines.core.findings import Measurement, Verdict, make_finding
from pipelines.core.markup import html_text
from pipelines.reporting.plots import evaluation_plots
from pipelines.reporting.retraining.report import report_page
from pipelines.reporting.retraining.sections import VersionReview
from tests.unit.reporting.retraining.test_version_page import decided

Make = Callable[..., VersionReview]
MOST_BYTES = 300_000
FAILED = make_finding(
    "contract.envelope.dispensing.quantity.range",
    Verdict.FAIL,
    "75.5 % of 10,067 rows lie in [0.75, 8.25]; was a <unit> changed?",
    Measurement(value=0.755, threshold=0.9, unit="share"),
)


class Addresses(HTMLParser):
    """Every address in a page that a browser would request by itself, and the text of cells."""

    def __init__(self) -> None:
        super().__init__()
        self.requested: list[str] = []
        self.cells: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.requested += [
            value or ""
            for name, value in attrs
            if name in ("src", "srcset", "data", "poster") or (tag == "link" and name == "href")
        ]
        if tag == "td":
            self.cells.append("")

    def handle_data(self, data: str) -> None:
        if self.cells:
            self.cells[-1] += data.strip()


def parse(page: str) -> Addresses:
    found = Addresses()
    found.feed(page)
    return found


def test_the_report_is_one_small_file_that_requests_nothing(reviewed: Make) -> None:
    about = decided(reviewed(2.0))
    assert about.evaluation is not None
    found = evaluation_plots(about.evaluation, level=0.9)
    page = report_page(about, {name: plot.svg_file() for name, plot in found.items()})
    assert page.count('<svg role="img"') == len(found)
    assert all(f"<title>{html_text(plot.title)}</title>" in page for plot in found.values())
    assert len(page.encode()) < MOST_BYTES
    assert all(address.startswith("data:") for address in parse(page).requested)
    assert not re.search(r"<script|@import|url\((?!#)", page)
    verdict, losses = page.index("✔ Promoted"), page.index("on each day of the recent window")
    assert verdict < losses < page.index("medicine = insulin"), "the verdict comes first"
    assert "gauntlet explain demand 4" in page


def test_a_check_of_fresh_data_names_its_suite_what_it_found_and_what_it_wanted(
    reviewed: Make,
) -> None:
    about = reviewed(2.0)
    stopped = replace(about, evaluation=None, version=None, findings=(FAILED,))
    page = report_page(stopped, {})
    assert "Checks of fresh data: 0 of 1 passed" in page
    cells = parse(page).cells
    at = cells.index("champion's envelope")
    assert cells[at + 1 : at + 7] == [
        *("dispensing", "quantity", "range", "✘ fail", "0.755 share", "0.9")
    ]
    assert "<unit>" not in page, "texts are escaped"


def test_a_long_table_of_checks_states_where_the_others_are(reviewed: Make) -> None:
    checks = tuple(
        make_finding(f"contract.suite.dispensing.c{number}.range", Verdict.PASS, "all rows")
        for number in range(201)
    )
    stopped = replace(reviewed(2.0), evaluation=None, version=None)
    page = report_page(replace(stopped, findings=checks), {})
    assert "The first 200 of 201; all are in the run's file checks.json." in page
    assert "<td>c199</td>" in page
    assert "<td>c200</td>" not in page
    assert "The first" not in report_page(replace(stopped, findings=checks[1:]), {})
