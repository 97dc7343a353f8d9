"""Each page that a person decides from, in a real browser, on a desk and on a telephone."""

from __future__ import annotations

import re
import shutil
from html import unescape
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from pipelines.core.addresses import version_page
from tests.e2e.browser.conftest import JOBS, PASSWORD, USER
from tests.support.pharmacy import Pharmacy
from tests.support.services.browser import (
    NARROW,
    WIDE,
    assert_keyboard_reaches_links,
    assert_readable,
    assert_self_contained,
    is_in_first_screen,
    log_in_to_airflow,
    low_contrast,
    open_page,
    wait_for,
)

if TYPE_CHECKING:
    from selenium.webdriver import Chrome

WIDTHS = pytest.mark.parametrize("width", [WIDE, NARROW])


FAULTS = """<!doctype html><html lang="en"><body style="background: #fff">
<p style="color: #999">pale</p><p style="opacity: .5">faint</p>
<p style="width: 2000px">wide</p><a href="/here" tabindex="-1">skipped</a>
<img src="http://127.0.0.2:9/elsewhere.png" alt="from another host"></body></html>"""


@pytest.fixture(scope="module")
def airflow(browser: Chrome, airflow_server: tuple[str, str]) -> tuple[str, str]:
    """Airflow's address and the page of a run, after a login through its form."""
    log_in_to_airflow(browser, airflow_server[0], USER, PASSWORD)
    return airflow_server


def test_what_is_wrong_with_a_page_is_found(browser: Chrome, tmp_path: Path) -> None:
    page = tmp_path / "page.html"
    page.write_text(FAULTS, encoding="utf-8")
    open_page(browser, page.as_uri())
    assert [text for text, _ in low_contrast(browser)] == ["pale", "faint"]
    with pytest.raises(AssertionError, match=r"the page is 20.. px wide in a window of 1280 px"):
        assert_readable(browser)
    with pytest.raises(AssertionError, match=r"Tab does not reach .*here"):
        assert_keyboard_reaches_links(browser)
    with pytest.raises(AssertionError, match=r"elsewhere\.png"):
        assert_self_contained(browser, page.as_uri())


@pytest.mark.slow
def test_the_menu_of_airflow_leads_to_our_page(browser: Chrome, airflow: tuple[str, str]) -> None:
    open_page(browser, f"{airflow[0]}/plugin/gauntlet")
    browser.switch_to.frame(wait_for(browser, "iframe"))
    assert wait_for(browser, "h1").text == "Models"
    browser.switch_to.default_content()


@pytest.mark.slow
@WIDTHS
def test_our_page_in_airflow(
    browser: Chrome, airflow: tuple[str, str], mlflow_server: str, width: int
) -> None:
    address, run = airflow
    open_page(browser, f"{address}/gauntlet/", width)
    champion = wait_for(browser, "td[data-label=Champion] a", "version 1")
    decision = browser.find_element("css selector", "td[data-label='Last decision'] a")
    assert is_in_first_screen(browser, champion)
    assert is_in_first_screen(browser, decision)
    assert champion.get_attribute("href") == version_page(mlflow_server, "demand", "1")
    leads = {
        one.get_attribute("href").rpartition("/dags/")[2]
        for one in browser.find_elements("css selector", "td[data-label='Next run'] a")
    }
    assert leads == {f"{job}__demand" for job in JOBS}
    fresh = browser.find_element("css selector", "td[data-label=Freshness] a")
    assert fresh.get_attribute("href") == run
    assert_readable(browser)
    assert_keyboard_reaches_links(browser)
    assert_self_contained(browser, address)
    for cell in browser.find_elements("css selector", "td"):
        label = cell.get_attribute("data-label")
        links = cell.find_elements("css selector", "a")
        assert links or label == "Live traffic", f"{label} leads nowhere: {cell.text}"
    states = [one.text for one in browser.find_elements("css selector", ".due")]
    assert all(text.startswith(("To do: ", "Problem: ")) for text in states)


def report_file(pharmacy: Pharmacy) -> Path:
    """The report of version 2, as MLflow keeps it."""
    reports = pharmacy.home.rglob("report.html")
    [found] = (one for one in reports if "version 2</h1>" in one.read_text(encoding="utf-8"))
    return found


@pytest.mark.slow
def test_the_page_of_a_version_in_mlflow_begins_with_the_verdict(
    browser: Chrome, mlflow_server: str, pharmacy: Pharmacy
) -> None:
    text = report_file(pharmacy).read_text(encoding="utf-8")
    verdict = unescape(re.findall("<h2>(.*?)</h2>", text)[0])
    open_page(browser, version_page(mlflow_server, "demand", "2"))
    assert is_in_first_screen(browser, wait_for(browser, "h1, h2, h3", verdict))
    report = wait_for(browser, "a", "Full report")
    assert is_in_first_screen(browser, report)
    address = report.get_attribute("href")
    assert address.endswith("/artifacts/report.html?workflowType=machine_learning")
    open_page(browser, address)
    browser.switch_to.frame(wait_for(browser, "iframe"))
    assert is_in_first_screen(browser, wait_for(browser, "h2", verdict))
    assert_readable(browser)
    browser.switch_to.default_content()


@pytest.mark.slow
@WIDTHS
def test_the_report_as_a_file_of_its_own(
    browser: Chrome, pharmacy: Pharmacy, tmp_path: Path, width: int
) -> None:
    mailed = tmp_path / "report.html"
    shutil.copy(report_file(pharmacy), mailed)
    open_page(browser, mailed.as_uri(), width)
    assert is_in_first_screen(browser, wait_for(browser, "h2"))
    assert_readable(browser)
    assert_self_contained(browser, mailed.as_uri())


@pytest.mark.slow
@WIDTHS
def test_the_board(browser: Chrome, board_service: str, width: int) -> None:
    open_page(browser, f"{board_service}/board/demand", width)
    until = wait_for(browser, "#until")
    assert is_in_first_screen(browser, until)
    assert "These scores are stale." in wait_for(browser, "p.old").text
    assert_readable(browser)
    assert_self_contained(browser, board_service)
    rows = "#entities tbody tr:not([hidden])"
    every = len(browser.find_elements("css selector", rows))
    wanted = browser.find_element("css selector", f"{rows} td").text
    wait_for(browser, "#search").send_keys(wanted)
    found = [row.text for row in browser.find_elements("css selector", rows)]
    assert 0 < len(found) < every
    assert all(wanted in text for text in found)


@pytest.mark.slow
@pytest.mark.proof  # in short: the pages above; `make site` builds the documentation
@WIDTHS
def test_the_index_of_the_documentation(browser: Chrome, docs_site: str, width: int) -> None:
    open_page(browser, docs_site, width)
    assert is_in_first_screen(browser, wait_for(browser, "h1"))
    assert_readable(browser)
    assert_keyboard_reaches_links(browser)
    assert_self_contained(browser, docs_site)
