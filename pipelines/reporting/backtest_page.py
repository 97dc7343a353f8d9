"""The report of a backtest as one HTML file, with its plots inside."""

from __future__ import annotations

from collections.abc import Iterable

from pipelines.backtest.results import BOUNDS, BacktestReport, PolicyResult
from pipelines.core.markup import html_text
from pipelines.reporting import backtest_plots as plots
from pipelines.reporting.backtest_text import sentences
from pipelines.reporting.html_page import html_page, scrolling

_OWN_STYLE = """
.facts{color:#555}th,td{text-align:right;white-space:nowrap}
th:first-child,td:first-child{text-align:left}tr.declared{background:#e8f1f8;font-weight:600}
tr.bound{color:#777}
"""
NOTE = (
    "<p>Names that end in <code>_held_out</code> serve the model that was judged, without a refit. "
    "<i>Lost</i>: promotions after which the replaced version did better in the next four weeks; "
    "<i>bad</i>: by more than one minimum effect.</p>"
)
HEADS = (
    "policy",
    "{metric}",
    "worse than {reference} by (SE)",
    "promoted",
    "stopped",
    "lost",
    "bad",
    "no version",
    "worst 4 weeks",
    "fits",
)


def backtest_page(report: BacktestReport) -> str:
    """The whole page. It has no measured time, so the same backtest gives the same text."""
    facts = (
        f"{report.metric}, minimum effect {report.minimum_effect:g}; {len(report.weeks)} weeks "
        f"from {report.weeks[0]} to {report.weeks[-1]}, {sum(report.points):,} labelled points; "
        f"{report.candidates} candidates, {report.fits} fits"
    )
    late = (
        f"{report.late_labels:,} labels changed after they had matured; each Monday used those "
        "that were known then."
        if report.late_labels
        else "Every label was final when it matured."
    )
    parts = (
        f"<h1>Backtest of {html_text(report.model)}</h1>",
        f'<p class="facts">{html_text(facts)}</p>',
        *(f"<p>{html_text(one)}</p>" for one in sentences(report)),
        "<h2>Policies</h2>",
        _table(report),
        NOTE,
        "<h2>Differences</h2>",
        plots.differences(report),
        plots.over_time(report),
        "<h2>Age</h2>",
        plots.ages(report),
        plots.cost_of_age(report),
        "<h2>What is left out</h2>",
        _list((*report.left_out, late)),
    )
    body = "\n".join(parts)
    return html_page(f"Backtest of {report.model}", _OWN_STYLE, body)


def _table(report: BacktestReport) -> str:
    words = {"metric": report.metric, "reference": report.reference}
    heads = "".join(f"<th>{html_text(head.format(**words))}</th>" for head in HEADS)
    ordered = sorted(report.policies, key=lambda one: one.loss)
    rows = "\n".join(_row(report, one) for one in ordered)
    return scrolling(f"<table><tr>{heads}</tr>\n{rows}</table>")


def _row(report: BacktestReport, one: PolicyResult) -> str:
    declared, bound = one.name == report.reference, one.group in BOUNDS
    kind = ' class="declared"' if declared else ' class="bound"' if bound else ""
    difference = "" if declared else "same versions"
    if one.difference is not None:
        error = one.difference.standard_error
        difference = f"{one.difference.estimate:+.4g}" + (
            "" if error is None else f" ({error:.2g})"
        )
    counts = (
        str(one.promotions),
        str(one.stops) if one.stops else "",
        f"{one.lost} of {one.followed}",
        str(one.bad),
        f"{one.weeks_without_version} weeks" if one.weeks_without_version else "",
    )
    cells = (
        one.name,
        f"{one.value:.4g}",
        difference,
        *(("",) * len(counts) if bound else counts),
        "" if one.worst is None else f"{one.worst.excess:+.3g}",
        "" if bound else str(one.fits),
    )
    inside = "".join(f"<td>{html_text(cell)}</td>" for cell in cells)
    return f'<tr{kind} title="{html_text(one.title)}">{inside}</tr>'


def _list(items: Iterable[str]) -> str:
    return "<ul>" + "".join(f"<li>{html_text(item)}</li>" for item in items) + "</ul>"
