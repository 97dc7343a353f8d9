"""The report of effects as one HTML file, with its plots inside."""

from __future__ import annotations

from pipelines.causal.report import EffectsReport
from pipelines.core.markup import html_text
from pipelines.core.time import instant_text
from pipelines.reporting.effects.plots import calibration_plot, effects_plot
from pipelines.reporting.effects.text import (
    AVERAGE_HEADINGS,
    GROUP_HEADINGS,
    assumption_row,
    average_rows,
    found_note,
    group_rows,
    sentences,
)
from pipelines.reporting.html_page import html_page, html_table

_STYLE = ".facts{color:#555}th,td{text-align:left}"


def effects_page(report: EffectsReport) -> str:
    """The whole page; the same report gives the same text."""
    title = f"Effects of {report.model} version {report.version}"
    until = "now" if report.ended is None else instant_text(report.ended)
    facts = (
        f"{report.arms} against version {report.against}, from {instant_text(report.began)} to "
        f"{until}; as of {instant_text(report.as_of)}"
    )
    parts = [
        f"<h1>{html_text(title)}</h1>",
        f'<p class="facts">{html_text(facts)}</p>',
        *(f"<p>{html_text(one)}</p>" for one in sentences(report)),
        effects_plot(report).svg(),
        "<h2>Average effects</h2>",
        html_table(AVERAGE_HEADINGS, average_rows(report)),
    ]
    if report.declared:
        parts += [
            "<h2>Declared groups</h2>",
            html_table(GROUP_HEADINGS, group_rows(report.declared)),
        ]
    if report.found is not None:
        calibration = calibration_plot(report.found)
        parts += [
            "<h2>Found groups</h2>",
            f"<p>{html_text(found_note(report.found))}</p>",
            html_table(GROUP_HEADINGS, group_rows(report.found.groups)),
            calibration.svg() if calibration is not None else "",
        ]
    parts += [
        "<h2>Assumptions</h2>",
        html_table(("assumption", "", "why"), [assumption_row(a) for a in report.assumptions]),
    ]
    return html_page(title, _STYLE, "\n".join(parts))
