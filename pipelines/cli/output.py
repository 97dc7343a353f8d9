"""How answers reach a terminal or a script."""

from __future__ import annotations

import io
import json
import os
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from typing import Any, NoReturn

from rich.console import Console
from rich.padding import Padding
from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn
from rich.table import Table
from rich.text import Text

from pipelines.cli.markup import rich_text, shown
from pipelines.core.errors import GauntletError
from pipelines.core.findings import Finding, Verdict
from pipelines.core.markup import visible

OUTPUT_CLOSED = 141  # as of a program that SIGPIPE ended


class Output(Console):
    """A console that shows ``rich_text`` and ends the program when its output is closed."""

    def on_broken_pipe(self) -> NoReturn:
        """Called by Rich; without this, it ends the program with an exit code of its own."""
        end_output()

    def render_str(self, text: str, **options: Any) -> Text:
        """Markup as text; what ``rich_text`` has hidden from it is shown again."""
        rendered = super().render_str(text, **options)
        rendered.plain = shown(rendered.plain)
        return rendered

    @contextmanager
    def recording(self) -> Iterator[None]:
        """Record what is printed, to export it; meanwhile, no terminal or notebook shows it."""
        file, width, is_jupyter = self._file, self._width, self.is_jupyter
        self._file, self._width, self.record = io.StringIO(), SCREEN, True
        self.is_jupyter = False  # otherwise Rich shows each line in the cell, not in the file
        try:
            yield
        finally:
            self.export_text()  # empties the record
            self._file, self._width, self.record = file, width, False
            self.is_jupyter = is_jupyter


console = Output(highlight=False, emoji=False)
errors = Output(stderr=True, highlight=False, emoji=False)
SCHEMA_VERSION = 1
WIDEST = 4000
SCREEN = 110  # columns of what is recorded
_SCREEN = (
    '<pre style="background: #fff; color: #000; line-height: 1.3; white-space: pre-wrap">'
    "{code}</pre>"
)
MARKS = {
    Verdict.PASS: ("green", "pass"),
    Verdict.FAIL: ("red", "FAIL"),
    Verdict.INCONCLUSIVE: ("yellow", "inconclusive"),
    Verdict.NO_DATA: ("yellow", "no data"),
}


def answer(kind: str, body: dict[str, Any]) -> None:
    """Print one JSON object: ``schema``, ``kind`` and the body's keys."""
    text = json.dumps({"schema": SCHEMA_VERSION, "kind": kind, **body}, indent=2)
    try:
        sys.stdout.write(text + "\n")
    except BrokenPipeError:
        end_output()


def flush() -> None:
    """Write what is left of the output; ends the program when its reader has closed it."""
    try:
        sys.stdout.flush()
    except BrokenPipeError:
        end_output()


def end_output() -> NoReturn:
    """End the program quietly, because whatever read its output has closed it."""
    with suppress(OSError, ValueError):  # the interpreter flushes once more at its end
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    sys.exit(OUTPUT_CLOSED)


def complain(error: GauntletError, *, as_json: bool) -> None:
    """Print an error where the reader looks for it: standard error, or the JSON answer."""
    if as_json:
        answer("error", {"exit_code": error.exit_code, **error.as_dict()})
    else:
        first, *rest = str(error).splitlines()
        errors.print(f"[bold red]error:[/] {rich_text(first)}")
        for line in rest:
            errors.print(rich_text(line), soft_wrap=True)


@contextmanager
def bar(title: str) -> Iterator[Callable[[str], None]]:
    """A bar on standard error while long work lasts; what is yielded says what is being done."""
    columns = (
        SpinnerColumn(),
        BarColumn(30),
        TimeElapsedColumn(),
        TextColumn("{task.description}", markup=False),
    )
    quiet = not errors.is_terminal  # what is left of a bar in a file is an empty line
    with Progress(*columns, console=errors, transient=True, disable=quiet) as progress:
        work = progress.add_task(title, total=None)
        yield lambda text: progress.update(work, description=visible(text))


@contextmanager
def spinner(title: str) -> Iterator[Callable[[str], None]]:
    """A line under what is printed while work lasts; what is yielded says what is being done."""
    with console.status(Text(title), spinner="dots") as status:
        yield lambda text: status.update(Text(visible(text)))


def printed_html(show: Callable[[], None]) -> str:
    """What a function prints on the console, as an element of HTML with the terminal's colours."""
    with console.recording():
        show()
        return console.export_html(code_format=_SCREEN, inline_styles=True)


def printed_text(show: Callable[[], None]) -> str:
    """What a function prints on the console, as plain text."""
    with console.recording():
        show()
        return console.export_text()


def show_table(table: Table) -> None:
    """A table as wide as the terminal, or in a file or pipe as wide as its cells need."""
    if console.is_terminal or console.record:
        console.print(table)
    else:
        Output(width=WIDEST, highlight=False, emoji=False).print(table)


def mark(verdict: Verdict) -> str:
    """A verdict in colour and in words, so that it reads without colour too."""
    colour, word = MARKS[verdict]
    return f"[{colour}]{word}[/]"


def number(value: float | None) -> str:
    """A number as people write it: four significant digits, thousands apart.

    >>> number(12345.6), number(0.012345), number(None)
    ('12,346', '0.01235', '')
    """
    if value is None:
        return ""
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.4g}"


def show_findings(findings: Iterable[Finding], *, everything: bool, most: int = 12) -> None:
    """Findings in two lines each, those that stop the run first.

    Arguments:
        everything: show passes and facts that decide nothing as well, however many.
        most: how many are shown otherwise; the rest is counted.
    """
    order = (Verdict.FAIL, Verdict.NO_DATA, Verdict.INCONCLUSIVE, Verdict.PASS)
    ranked = sorted(findings, key=lambda f: (not f.blocking, order.index(f.verdict)))
    alike: dict[tuple[bool, Verdict, str], list[str]] = {}
    for finding in ranked:
        if everything or (finding.blocking and finding.verdict is not Verdict.PASS):
            key = finding.blocking, finding.verdict, finding.reason
            alike.setdefault(key, []).append(finding.name)
    for (blocking, verdict, reason), names in list(alike.items())[: None if everything else most]:
        aside = "" if blocking else " [dim](shown only)[/]"
        others = f" [dim]and {len(names) - 1} more with the same answer[/]" if names[1:] else ""
        console.print(f"  {mark(verdict)}  [bold]{rich_text(names[0])}[/]{others}{aside}")
        console.print(Padding(rich_text(reason), (0, 0, 0, 8)))
    if len(alike) > most and not everything:
        console.print(f"  and {len(alike) - most} more; `gauntlet explain` shows all")
