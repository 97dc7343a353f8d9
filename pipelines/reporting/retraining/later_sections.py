"""Sections of a version's report that later steps fill: its rollout, and a drill.

The report has an empty element for each of them. A step that has something new puts it there and
leaves the rest of the report as it is.
"""

from __future__ import annotations

from collections.abc import Iterator
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from pipelines.core.findings import Finding, Verdict
from pipelines.core.run_page import Values
from pipelines.faults.matrix import Matrix
from pipelines.reporting.drill.matrix_section import drill_summary
from pipelines.reporting.drill.matrix_text import headings, matrix_lines
from pipelines.reporting.html_page import html_of, html_table
from pipelines.reporting.rollout_page import (
    LatestCheck,
    RolloutHistory,
    newest_findings,
    rollout_stages,
    rollout_summary,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from pipelines.reporting.plots import Plot

HARM = "canary.harm."  # prefix of the charts of confidence sequences
_MOST_PLOTS = 4
_END = "</section>"


class LaterSection(StrEnum):
    """A section that a later step fills."""

    ROLLOUT = "rollout"
    DRILL = "drill"


def empty_section(name: LaterSection) -> str:
    """The place of a section in a report."""
    return f"{_start(name)}{_END}"


def with_section(report: str, name: LaterSection, body: str) -> str:
    """A report with another content of one section; unchanged if it has no place for it.

    >>> with_section('<section id="drill">old</section>', LaterSection.DRILL, "<p>new</p>")
    '<section id="drill"><p>new</p></section>'
    """
    before, start, rest = report.partition(_start(name))
    if not start:
        return report
    _, end, after = rest.partition(_END)
    return f"{before}{start}{body}{end}{after}"


def with_sections_of(report: str, earlier: str) -> str:
    """A report with the later sections that an earlier form of it has, which may be cut off.

    >>> with_sections_of('<section id="drill"></section>', '<section id="drill">old</section>')
    '<section id="drill">old</section>'
    """
    for name in LaterSection:
        body, end, _ = earlier.partition(_start(name))[2].partition(_END)
        if end:
            report = with_section(report, name, body)
    return report


def rollout_section(history: RolloutHistory, latest: LatestCheck | None, charts: Values) -> str:
    """The rollout of a version: outcome, confidence sequences, findings and stages.

    Arguments:
        history: of the version.
        latest: the newest check; ``None``: the findings of the newest transition.
        charts: estimates and bounds of the harm tests over time, by the name of the finding.
    """
    plots = sequence_plots(newest_findings(history, latest), charts)
    figures = "".join(plot.svg() for plot in plots)
    stages = html_of(f"{rollout_stages(history)}\n\n*Review before live traffic:*")
    return f"{html_of(rollout_summary(history, latest))}{figures}{stages}"


def drill_section(matrix: Matrix) -> str:
    """The matrix of a drill, and what it means."""
    return html_of(drill_summary(matrix)) + html_table(headings(matrix), matrix_lines(matrix))


def sequence_plots(findings: list[Finding], charts: Values) -> Iterator[Plot]:
    """The confidence sequences of a canary's harm tests, from the second measurement on."""
    shown = [one for one in findings if len(charts.get(f"{one.name}/high", ())) > 1]
    for one in shown[:_MOST_PLOTS]:
        yield _sequence(one, charts)


def _sequence(finding: Finding, charts: Values) -> Plot:
    from pipelines.reporting.plots import BLUE, GREY, ORANGE, Plot

    gains, bounds = charts[finding.name], charts[f"{finding.name}/high"]
    limit = finding.threshold
    title = f"{finding.name.removeprefix(HARM)}: gain {gains[-1][1]:+.3g}, at most "
    title += f"{bounds[-1][1]:+.3g} at any time; "
    title += "harm was shown" if finding.verdict is Verdict.FAIL else "no harm was shown"

    def draw(axes: Axes) -> None:
        from matplotlib.dates import ConciseDateFormatter

        for values, colour, marks, words in (
            (gains, BLUE, "o-", "gain so far"),
            (bounds, ORANGE, "v--", "upper bound"),
        ):
            days: Any = [at for at, _ in values]  # matplotlib accepts instants
            numbers = [value for _, value in values]
            axes.plot(days, numbers, marks, color=colour, markersize=3, label=words)
        if limit is not None:
            words = f"limit {limit:g}: harm is shown when the bound is below"
            axes.axhline(limit, color=GREY, linestyle=":", label=words)
        axes.set_ylabel(f"gain in {finding.unit}")
        axes.xaxis.set_major_formatter(ConciseDateFormatter(axes.xaxis.get_major_locator()))
        axes.legend(fontsize=8, framealpha=0.8, edgecolor="none")

    return Plot(title, draw)


def _start(name: LaterSection) -> str:
    return f'<section id="{name}">'
