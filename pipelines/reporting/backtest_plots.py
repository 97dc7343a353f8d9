"""Plots of a backtest, as SVG texts. Colours as in ``reporting.plots``; drawn without pyplot."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib.dates import ConciseDateFormatter

from pipelines.backtest.results import BacktestReport, LossDifference, PolicyResult
from pipelines.reporting.plots import BLUE, GREY, ORANGE, svg

if TYPE_CHECKING:
    from matplotlib.axes import Axes

GREEN, PURPLE = "#009E73", "#CC79A7"
SMOOTHED = 4  # weeks in a point of a line
TWO_ERRORS = 2.0


def differences(report: BacktestReport) -> str:
    """Each policy's loss above that of the declared one, with two standard errors."""
    shown = [one for one in report.policies if one.difference is not None]
    shown.sort(key=_estimate)
    clear = sum(one.difference.beyond_noise for one in shown if one.difference)
    title = f"{clear} of {len(shown)} policies differ from {report.reference} beyond two errors"

    def draw(axes: Axes) -> None:
        for place, one in enumerate(shown):
            low, high = _ends(one.difference)
            colour = BLUE if low > 0 else ORANGE if high < 0 else GREY
            axes.plot((low, high), (place, place), color=colour, linewidth=2)
            axes.plot(_estimate(one), place, marker="o", color=colour, markersize=5)
        axes.axvline(0, color="black", linewidth=0.8)
        axes.set_yticks(range(len(shown)), [one.name for one in shown], fontsize=8)
        axes.set_ylim(len(shown) - 0.4, -0.6)
        axes.set_xlabel(f"{report.metric}: loss above {report.reference}; right of zero is worse")

    return svg(title, draw, 1.2 + 0.25 * len(shown))


def over_time(report: BacktestReport) -> str:
    """Weekly losses above the declared policy's, smoothed, and the quarters' intervals."""
    weeks: Any = list(report.weeks)  # matplotlib accepts dates
    reference = _series(report.policy(report.reference))
    lines = _compared(report)

    def draw(axes: Axes) -> None:
        for (one, colour), offset in zip(lines, (-6, 0, 6), strict=False):
            axes.plot(
                weeks,
                _smooth(_series(one) - reference),
                color=colour,
                linewidth=1.4,
                label=one.name,
            )
            for quarter, difference in enumerate(one.quarters):
                if difference is None or difference.standard_error is None:
                    continue
                middle = min(13 * quarter + 6, len(weeks) - 1)
                at = np.datetime64(weeks[middle]) + np.timedelta64(offset, "D")
                axes.errorbar(
                    at,
                    difference.estimate,
                    TWO_ERRORS * difference.standard_error,
                    color=colour,
                    marker="o",
                    markersize=3,
                    capsize=2,
                    linewidth=1,
                )
        axes.axhline(0, color="black", linewidth=0.8, label=f"{report.reference}, declared")
        axes.set_ylabel(f"{report.metric} above {report.reference}")
        _dates(axes)

    return svg("Loss over time; dots are quarters with two standard errors", draw)


def ages(report: BacktestReport) -> str:
    """How old the version in force was, by policy."""
    weeks: Any = list(report.weeks)
    others = [(one, colour) for one, colour in _compared(report) if one.promotions]
    lines = [(report.policy(report.reference), BLUE), *others]

    def draw(axes: Axes) -> None:
        for one, colour in lines:
            age = [
                np.nan if version is None else (week - version).days / 7
                for week, version in zip(report.weeks, one.versions, strict=True)
            ]
            axes.step(weeks, age, where="post", color=colour, linewidth=1.4, label=one.name)
        axes.set_ylabel("weeks since the version's Monday")
        axes.set_ylim(bottom=0)
        _dates(axes)

    promoted = report.policy(report.reference).promotions
    return svg(f"Age of the version in force; {report.reference} promoted {promoted} times", draw)


def cost_of_age(report: BacktestReport) -> str:
    """What a week of age costs by the record of each Monday, with its interval."""
    known = [
        (week, cost)
        for week, cost in zip(report.weeks, report.cost_of_age, strict=True)
        if cost is not None
    ]
    weeks: Any = [week for week, _ in known]
    last = known[-1][1] if known else None
    title = "The record is too short for a cost of age"
    if last is not None:
        title = (
            f"A week of age costs {last.estimate:.3g} {report.metric} "
            f"({last.low:.3g} to {last.high:.3g}; {last.weeks} weeks)"
        )

    def draw(axes: Axes) -> None:
        axes.plot(weeks, [cost.estimate for _, cost in known], color=BLUE, linewidth=1.6)
        low, high = ([getattr(cost, end) for _, cost in known] for end in ("low", "high"))
        axes.fill_between(weeks, low, high, color=BLUE, alpha=0.2, label="90 % interval")
        axes.axhline(0, color="black", linewidth=0.8)
        axes.set_ylabel(f"{report.metric} a week")
        _dates(axes)

    return svg(title, draw)


def _compared(report: BacktestReport) -> list[tuple[PolicyResult, str]]:
    """The policies that lines are drawn for, beside the declared one."""
    names = dict.fromkeys([report.choice.best_simple, "version_0_1_0", "never"])
    wanted = [one for one in report.policies if one.name in names and one.name != report.reference]
    return list(zip(wanted, (GREEN, ORANGE, PURPLE), strict=False))


def _series(one: PolicyResult) -> np.ndarray:
    return np.array([np.nan if loss is None else loss for loss in one.losses])


def _smooth(values: np.ndarray) -> np.ndarray:
    """Each week's mean with the weeks before it; weeks without points are left out."""
    found = np.full(len(values), np.nan)
    for place in range(len(values)):
        near = values[max(0, place - SMOOTHED + 1) : place + 1]
        if np.isfinite(near).any():
            found[place] = np.nanmean(near)
    return found


def _estimate(one: PolicyResult) -> float:
    return 0.0 if one.difference is None else one.difference.estimate


def _ends(difference: LossDifference | None) -> tuple[float, float]:
    if difference is None:
        return 0.0, 0.0
    reach = TWO_ERRORS * (difference.standard_error or 0.0)
    return difference.estimate - reach, difference.estimate + reach


def _dates(axes: Axes) -> None:
    axes.xaxis.set_major_formatter(ConciseDateFormatter(axes.xaxis.get_major_locator()))
    handles: Sequence[Any] = axes.get_legend_handles_labels()[0]
    if handles:
        axes.legend(fontsize=8, framealpha=0.8, edgecolor="none")
