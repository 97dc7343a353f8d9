"""The report of a retraining: one HTML file with its plots inside, which requests nothing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from pipelines.core.findings import Finding, Gate, Verdict
from pipelines.core.markup import html_text
from pipelines.reporting.audit_section import audit_section
from pipelines.reporting.complexity_section import complexity_section
from pipelines.reporting.html_page import html_of, html_page, html_table, inline_svg
from pipelines.reporting.importance_section import importance_section
from pipelines.reporting.markdown import SIGNS, interval_text, number
from pipelines.reporting.refresh_section import refresh_section
from pipelines.reporting.retraining import sections
from pipelines.reporting.retraining.later_sections import LaterSection, empty_section
from pipelines.reporting.retraining.search_section import search_section
from pipelines.reporting.retraining.sections import VersionReview

_OWN_STYLE = """
table{width:auto}
h3{font-size:1.05rem;margin:1.6rem 0 .4rem}th,td{text-align:left;vertical-align:top}
td{white-space:nowrap}td:last-child{white-space:normal;min-width:16rem}
pre{background:#f4f4f4;padding:.6rem;overflow-x:auto}
summary{cursor:pointer;padding:.4rem 0}
"""
_SUITES = {"suite": "hand-written", "envelope": "champion's envelope"}
_WORST_FIRST = (Verdict.FAIL, Verdict.NO_DATA, Verdict.INCONCLUSIVE, Verdict.PASS)
_MOST_ROWS = 200  # of one table of checks


def report_page(about: VersionReview, plots: Mapping[str, bytes]) -> str:
    """The whole report; the same content gives the same text.

    Arguments:
        about: what it shows.
        plots: SVG files by the names of ``evaluation_plots``, and ``age``, the cost of age.
    """
    figures = {
        name: f"<figure>{inline_svg(file.decode())}</figure>" for name, file in plots.items()
    }
    title = f"{about.spec.name}, as of {about.plan.as_of:%Y-%m-%d}"
    if about.version:
        title += f", version {about.version}"
    parts = (
        f"<h1>{html_text(title)}</h1>",
        empty_section(LaterSection.ROLLOUT),
        html_of(sections.headline(about)),
        html_of(sections.metrics_section(about)),
        html_of(sections.gates_section(about)),
        _problems(about),
        figures.get("losses", ""),
        figures.get("daily", ""),
        html_of(sections.slices_section(about)),
        figures.get("slices", ""),
        figures.get("calibration", ""),
        figures.get("seeds", ""),
        html_of(refresh_section(about.findings, about.champion)),
        figures.get("age", ""),
        html_of(audit_section(about.audit, about.findings)),
        html_of(search_section(about.searches, about.spec)),
        html_of(complexity_section(about.findings)),
        html_of(importance_section(*about.importance, about.spec.metric.minimum_effect)),
        _availability(about),
        empty_section(LaterSection.DRILL),
        _data_checks(about),
        html_of(sections.origin_section(about)),
        html_of(sections.commands_section(about)),
        html_of(sections.loading_section(about)) if about.version else "",
    )
    body = "\n".join(part for part in parts if part)
    return html_page(title, _OWN_STYLE, body)


def _problems(about: VersionReview) -> str:
    """What did not pass and decides, each with its numbers."""
    bad = [one for one in about.findings if one.blocking and one.verdict is not Verdict.PASS]
    if not bad:
        return ""
    rows = [(one.name, *_numbers(one)) for one in _ordered(bad)]
    return "<h3>What did not pass</h3>" + html_table(("check", *_NUMBERS), rows)


def _availability(about: VersionReview) -> str:
    """Features in production: parity with training, and what was served."""
    found = [one for one in about.findings if one.gate is Gate.AVAILABILITY]
    if not found:
        return ""
    rows = [(one.name.removeprefix("availability."), *_numbers(one)) for one in _ordered(found)]
    return "<h3>Features in production, and parity</h3>" + _shown(("check", *_NUMBERS), rows)


def _data_checks(about: VersionReview) -> str:
    """Each expectation of both suites: its column, what was found, and what is expected."""
    found = [one for one in about.findings if one.gate is Gate.CONTRACT]
    if not found:
        return ""
    bad = [one for one in found if one.verdict is not Verdict.PASS]
    passed = [one for one in found if one.verdict is Verdict.PASS]
    heads = ("suite", "stream", "column", "expectation", *_NUMBERS)
    parts = [f"<h3>Checks of fresh data: {len(passed)} of {len(found)} passed</h3>"]
    if bad:
        parts.append(_shown(heads, [_expectation(one) for one in _ordered(bad)]))
    if passed:
        parts.append(
            f"<details><summary>{len(passed)} checks that passed</summary>"
            f"{_shown(heads, [_expectation(one) for one in passed])}</details>"
        )
    return "\n".join(parts)


def _expectation(one: Finding) -> tuple[str, ...]:
    _, source, *place = one.name.split(".")
    if source not in _SUITES or len(place) < 3:
        return ("Gauntlet", "", "", ".".join((source, *place)), *_numbers(one))
    stream, column, *check = place
    return (_SUITES[source], stream, column, ".".join(check), *_numbers(one))


_NUMBERS = ("", "got", "wanted", "in words")


def _numbers(one: Finding) -> tuple[str, str, str, str]:
    got = "" if one.value is None else f"{number(one.value)} {one.unit}".strip()
    if one.interval is not None:
        got += f" ({interval_text(one.interval)})"
    wanted = "" if one.threshold is None else number(one.threshold)
    verdict = SIGNS[one.verdict] + ("" if one.blocking else " (shown only)")
    return verdict, got, wanted, one.reason


def _ordered(findings: list[Finding]) -> list[Finding]:
    return sorted(findings, key=lambda one: (not one.blocking, _WORST_FIRST.index(one.verdict)))


def _shown(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A table of checks; only the first ones of many, since the report has to stay small."""
    if len(rows) <= _MOST_ROWS:
        return html_table(heads, rows)
    note = f"<p>The first {_MOST_ROWS} of {len(rows)}; all are in the run's file checks.json.</p>"
    return html_table(heads, rows[:_MOST_ROWS]) + note
