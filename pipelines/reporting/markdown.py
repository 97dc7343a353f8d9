"""Numbers and tables of the review page, as MLflow shows Markdown."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Sequence

from pipelines.core.findings import Interval, Verdict

SIGNS = {
    Verdict.PASS: "✔ pass",
    Verdict.FAIL: "✘ fail",
    Verdict.INCONCLUSIVE: "? cannot tell",
    Verdict.NO_DATA: "○ no data",
}
_GAP = "&emsp;"  # MLflow sets cells without any room between them


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A table; bars in cells become slashes."""

    def lines() -> Iterator[str]:
        yield f"| {' | '.join(cell + _GAP for cell in head)} |"
        yield f"|{':---|' * len(head)}"
        for row in rows:
            yield f"| {' | '.join(cell.replace('|', '/') + _GAP for cell in row)} |"

    return "\n".join(lines())


def sentence(text: str) -> str:
    """One sentence, shortened where it is too long to be read in passing."""
    short = textwrap.shorten(text, 400, placeholder="...")
    return short[:1].upper() + short[1:] + ("" if short.endswith((".", "...")) else ".")


def number(value: float) -> str:
    """Four digits."""
    return f"{value:.4g}"


def signed_number(value: float | None) -> str:
    """A gain, with its sign."""
    return "same on every row" if value is None else f"{value:+.3g}"


def interval_text(interval: Interval | None) -> str:
    """An interval and its level."""
    if interval is None:
        return ""
    low = "-∞" if interval.low is None else f"{interval.low:+.3g}"
    high = "∞" if interval.high is None else f"{interval.high:+.3g}"
    return f"{low} to {high} ({interval.level:.0%})"
