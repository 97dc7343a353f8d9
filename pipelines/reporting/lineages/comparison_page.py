"""A comparison of two lineages as one HTML file, which needs no other request."""

from __future__ import annotations

from pipelines.core.markup import html_text
from pipelines.release.lineage_comparison.comparison import LineageComparison
from pipelines.reporting.html_page import html_page, scrolling
from pipelines.reporting.lineages.comparison_text import cells, heads, sentences

_OWN_STYLE = "td{vertical-align:top}th,td{text-align:left}"
_ERRORS = (
    "Errors are those of the models that serve, on the decision points from one instant to the "
    "next, which trained neither of them."
)
_DIFFERENCES = (
    "A decision <i>differs by</i> everything that is not the same in both runs: an "
    "<b>earlier week</b> (other champions to beat), the <b>recipe</b> or another part of the "
    "<b>declaration</b>, a <b>data revision</b> (events arrived or changed later), "
    "<b>label maturity</b> (labels that one run did not have yet), the <b>environment</b> (Python, "
    "libraries), the <b>code</b> of this project, <b>randomness</b> (seeds, or nothing that is "
    "recorded), the <b>release</b> (live traffic or an approval that only one of them needs), or "
    "the error <b>budget</b>."
)


def comparison_page(comparison: LineageComparison) -> str:
    """The whole page; the same comparison gives the same text."""
    title = f"{comparison.model}: {comparison.first} and {comparison.second}"
    head = "".join(f"<th>{html_text(text)}</th>" for text in heads(comparison))
    rows = "\n".join(
        "<tr>" + "".join(f"<td>{html_text(text)}</td>" for text in cells(week)) + "</tr>"
        for week in comparison.weeks
    )
    body = "\n".join(
        (
            f"<h1>{html_text(title)}</h1>",
            *(f"<p>{html_text(text)}</p>" for text in sentences(comparison)),
            scrolling(f"<table><tr>{head}</tr>\n{rows}</table>"),
            f"<p>{_ERRORS}</p>",
            f"<p>{_DIFFERENCES}</p>",
        )
    )
    return html_page(title, _OWN_STYLE, body)
