"""A headless Chromium that opens pages at two widths, and what every page of ours must hold."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import pytest

from tests.support.servers import PATIENCE_S

if TYPE_CHECKING:
    from selenium.webdriver import Chrome
    from selenium.webdriver.remote.webelement import WebElement

WIDE, NARROW = 1280, 390
HEIGHT = 900
LEAST_CONTRAST = 4.5  # WCAG 2.2, criterion 1.4.3
FLAGS = (
    *("--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync"),
)
# Each text with its contrast (WCAG 2.2: relative luminance), if that is too low. Colours that let
# something through are laid over what is below them.
_LOW_CONTRAST = """
const rgba = (text) => {
  const found = text.match(/[\\d.]+/g).map(Number);
  return found.length > 3 ? found : [...found, 1];
};
const over = (top, below) => top.slice(0, 3)
  .map((one, place) => one * top[3] + below[place] * (1 - top[3])).concat(1);
const light = (colour) => {
  const [r, g, b] = colour.slice(0, 3).map((one) => one / 255)
    .map((one) => one <= 0.04045 ? one / 12.92 : ((one + 0.055) / 1.055) ** 2.4);
  return 0.2126 * r + 0.7152 * g + 0.0722 * b;
};
const found = [];
const texts = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
while (texts.nextNode()) {
  const text = texts.currentNode.data.trim(), holder = texts.currentNode.parentElement;
  if (!text || !holder.checkVisibility({visibilityProperty: true}) ||
      ['SCRIPT', 'STYLE', 'NOSCRIPT'].includes(holder.tagName)) continue;
  const chain = [];
  for (let one = holder; one; one = one.parentElement) chain.unshift(getComputedStyle(one));
  let below = [255, 255, 255, 1];
  for (const one of chain) below = over(rgba(one.backgroundColor), below);
  const style = chain.at(-1);
  const ink = rgba(holder.namespaceURI.endsWith('svg') ? style.fill : style.color);
  ink[3] *= chain.reduce((all, one) => all * Number(one.opacity), 1);
  const two = [light(over(ink, below)), light(below)].sort((a, b) => b - a);
  const ratio = (two[0] + 0.05) / (two[1] + 0.05);
  if (ratio < arguments[0]) found.push([text.slice(0, 60), Number(ratio.toFixed(2))]);
}
return found;
"""


def programs() -> tuple[str, str] | None:
    """The paths of Chromium and of its driver; ``None`` where one of them is not installed."""
    names = ("chromium", "chromium-browser", "google-chrome")
    binary = next(filter(None, map(shutil.which, names)), None)
    driver = shutil.which("chromedriver")
    return (binary, driver) if binary and driver else None


@contextmanager
def chromium(profile: Path) -> Iterator[Chrome]:
    """A browser with an empty profile, until the end of the block. Skips where there is none."""
    found = programs()
    if found is None:
        pytest.skip("Chromium or chromedriver is not installed: `make browser-test` says how")
    binary, driver_path = found
    from selenium.webdriver import Chrome, ChromeOptions
    from selenium.webdriver.chrome.service import Service

    options = ChromeOptions()
    options.binary_location = binary
    for flag in (*FLAGS, f"--user-data-dir={profile}"):
        options.add_argument(flag)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    driver = Chrome(options=options, service=Service(driver_path))
    try:
        driver.set_page_load_timeout(PATIENCE_S)
        yield driver
    finally:
        driver.quit()


def open_page(driver: Chrome, address: str, width: int = WIDE) -> None:
    """Open an address in a window of a width; a narrow one is that of a telephone."""
    metrics = {"width": width, "height": HEIGHT, "deviceScaleFactor": 1, "mobile": width < 600}
    driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)
    driver.get("about:blank")  # an address that differs in its fragment only is no new page
    for log in ("browser", "performance"):
        driver.get_log(log)
    driver.get(address)


def wait_for(driver: Chrome, css: str, text: str = "") -> WebElement:
    """The first element of a selector that contains a text, as soon as it is shown."""
    from selenium.common.exceptions import StaleElementReferenceException
    from selenium.webdriver.support.ui import WebDriverWait

    def shown(_: Any) -> WebElement | bool:
        found = driver.find_elements("css selector", css)
        return next((one for one in found if one.is_displayed() and text in one.text), False)

    waiting = WebDriverWait(
        driver, PATIENCE_S, 0.2, ignored_exceptions=(StaleElementReferenceException,)
    )
    element: Any = waiting.until(shown, f"{css} with the text {text!r} is not shown")
    return element


def is_in_first_screen(driver: Chrome, element: WebElement) -> bool:
    """Whether a person sees an element without scrolling."""
    script = "const box = arguments[0].getBoundingClientRect(); return [box.top, box.bottom];"
    top, bottom = driver.execute_script(script, element)
    return bool(0 <= top < bottom <= HEIGHT)


def assert_readable(driver: Chrome) -> None:
    """The page needs no scrolling sideways, and its texts have enough contrast."""
    wide, inside = driver.execute_script(
        "const page = document.documentElement; return [page.scrollWidth, page.clientWidth]"
    )
    assert wide <= inside, f"the page is {wide} px wide in a window of {inside} px"
    pale = low_contrast(driver)
    assert not pale, f"texts with a contrast below {LEAST_CONTRAST}: {pale}"


def low_contrast(driver: Chrome) -> list[list[Any]]:
    """Each text whose contrast with what is below it is too low, and the contrast."""
    found: list[list[Any]] = driver.execute_script(_LOW_CONTRAST, LEAST_CONTRAST)
    return found


def log_in_to_airflow(driver: Chrome, address: str, user: str, password: str) -> None:
    """Log in through the form of Airflow's simple login."""
    open_page(driver, address)
    wait_for(driver, "input[name=username]").send_keys(user)
    driver.find_element("css selector", "input[name=password]").send_keys(password)
    driver.find_element("css selector", "button[type=submit]").click()
    wait_for(driver, "a[href*='/dags']")


def assert_self_contained(driver: Chrome, address: str) -> None:
    """Since it was opened, the page has logged no error and asked no host but its own."""
    severe = [entry["message"] for entry in driver.get_log("browser") if entry["level"] == "SEVERE"]
    logged = [message for message in severe if "favicon" not in message]
    assert not logged, f"the console has errors: {logged}"
    messages = [json.loads(entry["message"])["message"] for entry in driver.get_log("performance")]
    requested = [
        one["params"]["request"]["url"]
        for one in messages
        if one["method"] == "Network.requestWillBeSent"
    ]
    assert requested, "Chromium logged no request at all"
    own = ("data:", "blob:", f"{urlsplit(address).scheme}://{urlsplit(address).netloc}/")
    elsewhere = [one for one in requested if not one.startswith(own)]
    assert not elsewhere, f"the page requests {elsewhere}"


def assert_keyboard_reaches_links(driver: Chrome) -> None:
    """Pressing Tab again and again gets to every link that is shown, and each shows its focus."""
    from selenium.webdriver import ActionChains, Keys

    links = [one for one in driver.find_elements("css selector", "a[href]") if one.is_displayed()]
    wanted = {one.get_attribute("href") for one in links}
    driver.execute_script("document.activeElement.blur(); scrollTo(0, 0)")
    focused, unmarked = set(), []
    script = """
    const one = document.activeElement, style = getComputedStyle(one);
    return [one.href || '', style.outlineStyle !== 'none' || style.boxShadow !== 'none'];
    """
    for _ in range(3 * len(links) + 20):
        ActionChains(driver, duration=0).send_keys(Keys.TAB).perform()
        address, marked = driver.execute_script(script)
        focused.add(address)
        unmarked += [address] if address and not marked else []
        if wanted <= focused:
            break
    assert wanted <= focused, f"Tab does not reach {sorted(wanted - focused)}"
    assert not unmarked, f"the focus is not visible on {unmarked}"
