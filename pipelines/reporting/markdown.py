"""Formats numbers and tables of the review page as Markdown for MLflow."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Sequence

from pipelines.core.findings import Interval, Verdict
from pipelines.core.markup import markdown_text

SIGNS = {
    Verdict.PASS: "✔ pass",
    Verdict.FAIL: "✘ fail",
    Verdict.INCONCLUSIVE: "? inconclusive",
    Verdict.NO_DATA: "○ no data",
}
_GAP = "&emsp;"  # MLflow shows cells without padding


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A Markdown table of cells that are Markdown themselves."""

    def lines() -> Iterator[str]:
        yield f"| {' | '.join(cell + _GAP for cell in head)} |"
        yield f"|{':---|' * len(head)}"
        for row in rows:
            yield f"| {' | '.join(_unbroken(cell) + _GAP for cell in row)} |"

    return "\n".join(lines())


def _unbroken(cell: str) -> str:
    """A verdict's sign and its word on one line."""
    return cell.replace(" ", "&nbsp;") if cell in SIGNS.values() else cell


def sentence(text: str) -> str:
    """Text as one sentence of Markdown, shortened if it is too long."""
    short = textwrap.shorten(text, 400, placeholder="...")
    end = "" if short.endswith((".", "...")) else "."
    return markdown_text(short[:1].upper() + short[1:] + end)


def shortened(page: str, longest: int) -> str:
    r"""A page, or its first lines and a remark where it has more than ``longest`` characters.

    >>> shortened("one line\nanother line\n" * 9, 60)
    'one line\n\n*The rest is too long for this page.*\n'
    """
    if len(page) <= longest:
        return page
    remark = "\n\n*The rest is too long for this page.*\n"
    return page[: longest - len(remark)].rpartition("\n")[0].rstrip() + remark


def number(value: float) -> str:
    """A number with four digits."""
    return f"{value:.4g}"


def signed_number(value: float | None) -> str:
    """A gain, with its sign."""
    return "same on every row" if value is None else f"{value:+.3g}"


def interval_text(interval: Interval | None) -> str:
    """An interval with its level."""
    if interval is None:
        return ""
    low = "-∞" if interval.low is None else f"{interval.low:+.3g}"
    high = "∞" if interval.high is None else f"{interval.high:+.3g}"
    return f"{low} to {high} ({interval.level:.0%})"
