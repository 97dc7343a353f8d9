"""The tables of docs/real-backtest.md, from the answers of ``gauntlet backtest --json``."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from pipelines.backtest.results import BacktestReport, PolicyResult

BEGIN, END = "<!-- tables: make real-backtest -->", "<!-- end of tables -->"
OLD, DECLARED = "version_0_1_0", "likely"
BEYOND = 2.0  # standard errors
LONGEST_WAIT = 8  # weeks without a version
SIMPLE = ("usual", "always", "every_4", "every_13", "never")
ROWS = (
    *("likely", "proved", "tested", "better"),
    *SIMPLE,
    "likely_held_out",
    *(f"{name}_held_out" for name in SIMPLE),
    OLD,
    "naive",
)


def practised(report: BacktestReport) -> PolicyResult:
    """The best of the simple policies without a refit: as such models are promoted today."""
    simple = [one for one in report.policies if one.group == "simple" and not one.refit]
    return min(simple, key=lambda one: one.loss)


def above(report: BacktestReport, policy: PolicyResult) -> float:
    """Loss above that of the best simple policy as practised, as a share of the latter."""
    best = practised(report).loss
    return (policy.loss - best) / abs(best)


def gap(other: PolicyResult) -> tuple[float, float | None]:
    """Loss of the declared policy minus that of another one, and its standard error."""
    if other.difference is None:
        return 0.0, 0.0
    return -other.difference.estimate, other.difference.standard_error


def _within(report: BacktestReport) -> bool | None:
    """Whether the declared policy is within two standard errors of the best one as practised.

    ``None`` if the standard error is not defined and the declared policy is worse.
    """
    difference, error = gap(practised(report))
    if difference <= 0:
        return True
    return None if error is None else difference <= BEYOND * error


def _row(cells: Sequence[str]) -> str:
    return "| " + " | ".join(cells) + " |"


def _gap_text(other: PolicyResult) -> str:
    difference, error = gap(other)
    if difference == 0:
        return "0"
    noise = "" if error is None else f" ({error:.2g})"
    return f"{difference:+.3g}{noise}"


def _summary(reports: Sequence[BacktestReport]) -> Iterator[str]:
    yield _row(
        (
            *("set", "metric", "weeks", "points", "best as practised", "its loss"),
            *(
                "`likely`",
                "minus best (SE)",
                "0.1.0",
                "minus 0.1.0 (SE)",
                "weeks without a version",
            ),
        )
    )
    yield _row(("---", "---", *["---:"] * 2, "---", *["---:"] * 6))
    for report in reports:
        best, old, ours = practised(report), report.policy(OLD), report.policy(DECLARED)
        yield _row(
            (
                f"`{report.model}`",
                report.metric,
                str(len(report.weeks)),
                f"{sum(report.points):,}",
                f"`{best.name.removesuffix('_held_out')}`",
                f"{best.loss:.4g}",
                f"{ours.loss:.4g}",
                _gap_text(best),
                f"{old.loss:.4g}",
                _gap_text(old),
                str(ours.weeks_without_version),
            )
        )


def _policies(
    reports: Sequence[BacktestReport], cell: Callable[[BacktestReport, PolicyResult], str]
) -> Iterator[str]:
    yield _row(("policy", *(f"`{report.model}`" for report in reports)))
    yield _row(("---", *["---:"] * len(reports)))
    for name in ROWS:
        found = ([one for one in report.policies if one.name == name] for report in reports)
        cells = (
            cell(report, one[0]) if one else "not measured"
            for report, one in zip(reports, found, strict=True)
        )
        yield _row((f"`{name}`", *cells))


def _percent(report: BacktestReport, policy: PolicyResult) -> str:
    return f"{100 * above(report, policy):+.1f} ({policy.promotions})"


def _after(_: BacktestReport, policy: PolicyResult) -> str:
    return f"{policy.lost} of {policy.followed}, {policy.bad}"


def _aims(reports: Sequence[BacktestReport]) -> Iterator[str]:
    total = len(reports)
    within = {report.model: _within(report) for report in reports}
    worse = [name for name, holds in within.items() if holds is False]
    unknown = [name for name, holds in within.items() if holds is None]
    found = f"{total - len(worse) - len(unknown)} of {total}"
    found += f"; beyond: {', '.join(worse)}" if worse else ""
    found += f"; no standard error: {', '.join(unknown)}" if unknown else ""
    yield _row(("aim", "found"))
    yield _row(("---", "---"))
    yield _row(("within two standard errors of the best simple policy as practised", found))
    not_better = [
        report.model
        for report in reports
        if report.policy(DECLARED).loss >= report.policy(OLD).loss
    ]
    found = f"{total - len(not_better)} of {total}"
    found += f"; not on: {', '.join(not_better)}" if not_better else ""
    yield _row(("better than version 0.1.0", found))
    for report in reports:
        if report.model == "bike_sharing":
            gain = 1 - report.policy(DECLARED).loss / report.policy(OLD).loss
            yield _row(("`bike_sharing` at least 20 % better than version 0.1.0", f"{gain:.1%}"))
    late = [
        f"{report.model} ({weeks})"
        for report in reports
        if (weeks := report.policy(DECLARED).weeks_without_version) > LONGEST_WAIT
    ]
    yield _row(("no set without a version for more than eight weeks", ", ".join(late) or "none"))


def tables(reports: Sequence[BacktestReport]) -> str:
    """All tables as Markdown."""
    losses = (
        "## All policies: per cent of loss above the best simple policy as practised (promotions)"
    )
    after = (
        "## All policies: promotions that were lost, of those that could be followed, and bad ones"
    )
    parts = (
        ("## What was aimed at", _aims(reports)),
        ("## By set", _summary(reports)),
        (losses, _policies(reports, _percent)),
        (after, _policies(reports, _after)),
    )
    return "\n\n".join(f"{title}\n\n" + "\n".join(lines) for title, lines in parts) + "\n"


def read_answer(path: Path) -> BacktestReport:
    """A kept answer of ``gauntlet backtest --json``."""
    answer = json.loads(path.read_text(encoding="utf-8"))
    known = BacktestReport.model_fields
    return BacktestReport.model_validate({k: v for k, v in answer.items() if k in known})


def write_page(reports: Sequence[BacktestReport], page: Path) -> None:
    """Put the tables between the page's marks; the words stay."""
    text = page.read_text(encoding="utf-8")
    before, rest = text.split(BEGIN)
    _, after = rest.split(END)
    page.write_text(f"{before}{BEGIN}\n\n{tables(reports)}\n{END}{after}", encoding="utf-8")
