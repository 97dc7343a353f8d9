"""A comparison of two lineages in words, for the terminal and the page."""

from __future__ import annotations

from collections.abc import Iterator

from pipelines.release.lineage_comparison.comparison import (
    ChampionErrors,
    ComparedWeek,
    LineageComparison,
    LineageDecision,
)
from pipelines.reporting.markdown import number, signed_number


def heads(comparison: LineageComparison) -> tuple[str, ...]:
    """The heads of the table; ``cells`` gives its rows."""
    first, second, metric = comparison.first, comparison.second, comparison.metric or "error"
    return (
        "as of",
        first,
        "champion",
        second,
        "champion",
        f"{metric} of {first}",
        f"of {second}",
        f"gain ({comparison.level:.0%} interval)",
        "differs by",
    )


def cells(week: ComparedWeek) -> tuple[str, ...]:
    """One row of the table."""
    found = week.errors
    return (
        f"{week.as_of:%Y-%m-%d}",
        _outcome(week.first),
        week.champions[0] or "none",
        _outcome(week.second),
        week.champions[1] or "none",
        number(found.first) if found else "",
        number(found.second) if found else "",
        _gain(found) if found else week.no_errors,
        _differences(week),
    )


def lines(comparison: LineageComparison) -> Iterator[str]:
    """The comparison for a log: what all weeks say, then one line for each week."""
    yield from sentences(comparison)
    for week in comparison.weeks:
        named = zip(heads(comparison), cells(week), strict=True)
        yield "; ".join(f"{head}: {text}" for head, text in named if text)


def sentences(comparison: LineageComparison) -> Iterator[str]:
    """What all weeks together say."""
    first, second = comparison.first, comparison.second
    differing = sum(bool(week.differences) for week in comparison.weeks)
    both = sum(bool(week.first and week.second) for week in comparison.weeks)
    yield f"Weeks decided by both lineages: {both}; decisions that differ: {differing}."
    total = comparison.total
    if total is None or comparison.data_as_of is None:
        yield "No week has labels on which two different champions can be compared."
        return
    yield (
        f"In the weeks with different champions from {total.start:%Y-%m-%d} to "
        f"{total.end:%Y-%m-%d}, on the same {total.points:,} labelled points, the champions of "
        f"{first} reach {number(total.first)} {comparison.metric} and those of {second} "
        f"{number(total.second)}: gain {_gain(total)}. Above zero, {second} is better."
    )
    if total.low is not None and total.high is not None and total.low <= 0 <= total.high:
        yield "The interval has zero inside: neither was shown to be better."
    yield f"Events as of {comparison.data_as_of:%Y-%m-%d %H:%M} UTC."


def _outcome(decision: LineageDecision | None) -> str:
    if decision is None:
        return "not run"
    gain = "" if decision.gain is None else f", gain {number(decision.gain)}"
    return decision.outcome.replace("_", " ") + gain


def _gain(found: ChampionErrors) -> str:
    if found.low is None or found.high is None:
        return signed_number(found.gain)
    return f"{signed_number(found.gain)} ({found.low:+.3g} to {found.high:+.3g})"


def _differences(week: ComparedWeek) -> str:
    causes = ", ".join(cause.replace("_", " ") for cause in week.differences)
    return causes or ("nothing" if week.first and week.second else "")
