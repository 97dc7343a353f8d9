"""How answers reach a terminal or a script."""

from __future__ import annotations

import json
import sys
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from pipelines.core.errors import GauntletError
from pipelines.core.verdict import Finding, Verdict

console = Console(highlight=False)
errors = Console(stderr=True, highlight=False)
SCHEMA_VERSION = 1
MARKS = {
    Verdict.PASS: ("green", "pass"),
    Verdict.FAIL: ("red", "FAIL"),
    Verdict.INCONCLUSIVE: ("yellow", "inconclusive"),
    Verdict.NO_DATA: ("yellow", "no data"),
}


def answer(kind: str, body: dict[str, Any]) -> None:
    """Print one JSON object: ``schema``, ``kind`` and the body's keys."""
    sys.stdout.write(json.dumps({"schema": SCHEMA_VERSION, "kind": kind, **body}, indent=2) + "\n")


def complain(error: GauntletError, *, as_json: bool) -> None:
    """Print an error where the reader looks for it: standard error, or the JSON answer."""
    if as_json:
        answer("error", {"exit_code": error.exit_code, **error.as_dict()})
    else:
        first, *rest = str(error).splitlines()
        errors.print(f"[bold red]error:[/] {escape(first)}")
        for line in rest:
            errors.print(escape(line), soft_wrap=True)


def mark(verdict: Verdict) -> str:
    """A verdict in colour and in words, so that it reads without colour too."""
    colour, word = MARKS[verdict]
    return f"[{colour}]{word}[/]"


def number(value: float | None, unit: str = "") -> str:
    """A number as people write it: four significant digits, thousands apart.

    >>> number(12345.6), number(0.012345), number(None), number(3.0, "days")
    ('12,346', '0.01235', '', '3 days')
    """
    if value is None:
        return ""
    text = f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.4g}"
    return f"{text} {unit}".strip()


def findings_table(findings: tuple[Finding, ...], *, everything: bool) -> Table:
    """Findings, those that stop the run first; passes are counted unless all are asked for."""
    table = Table(box=None, padding=(0, 2, 0, 0), show_edge=False)
    for heading in ("verdict", "finding", "value", "threshold"):
        table.add_column(heading, no_wrap=heading != "finding")
    table.add_column("reason", ratio=1)
    order = (Verdict.FAIL, Verdict.NO_DATA, Verdict.INCONCLUSIVE, Verdict.PASS)
    for finding in sorted(findings, key=lambda f: (not f.blocking, order.index(f.verdict))):
        if finding.verdict is Verdict.PASS and not everything:
            continue
        table.add_row(
            mark(finding.verdict) + ("" if finding.blocking else " [dim](shown only)[/]"),
            escape(finding.name),
            number(finding.value, finding.unit),
            number(finding.threshold, finding.unit),
            escape(finding.reason),
        )
    return table
