"""The report of effects as one HTML file, with its plots inside."""

from __future__ import annotations

from pipelines.causal.report import EffectsReport
from pipelines.core.markup import html_text
from pipelines.core.time import instant_text
from pipelines.reporting.effects.plots import calibration_plot, effects_plot
from pipelines.reporting.effects.text import control_text, sections, sentences
from pipelines.reporting.html_page import html_page, html_table

_STYLE = ".facts{color:#555}th,td{text-align:left}"


def effects_page(report: EffectsReport) -> str:
    """The whole page; the same report gives the same text."""
    title = f"Effects of {report.model} version {report.version}"
    until = "now" if report.ended is None else instant_text(report.ended)
    facts = (
        f"{report.arms} against {control_text(report)}, from {instant_text(report.began)} to "
        f"{until}; as of {instant_text(report.as_of)}"
    )
    plots = [effects_plot(report), calibration_plot(report.found) if report.found else None]
    parts = [
        f"<h1>{html_text(title)}</h1>",
        f'<p class="facts">{html_text(facts)}</p>',
        *(f"<p>{html_text(one)}</p>" for one in sentences(report)),
        *(plot.svg() for plot in plots if plot),
    ]
    for section in sections(report):
        parts.append(f"<h2>{html_text(section.title)}</h2>")
        if section.note:
            parts.append(f"<p>{html_text(section.note)}</p>")
        parts.append(html_table(section.headings, section.rows))
    return html_page(title, _STYLE, "\n".join(parts))
