"""Plots of a monitoring report, each with the finding as its title."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, timedelta
from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.dates import ConciseDateFormatter

from pipelines.monitoring.report import DriftWeeks, MonitorReport, Performance, TrainingRange
from pipelines.monitoring.training_range import SOURCES
from pipelines.reporting.plots import BLUE, GREY, ORANGE, png, row_name

if TYPE_CHECKING:
    from matplotlib.axes import Axes

MOST_COLUMNS = 16
_DISTANCES = LinearSegmentedColormap.from_list(  # changes its colour at the threshold
    "distances", [(0, "white"), (0.5, "#9ecae1"), (0.5, "#fdd0a2"), (1, ORANGE)]
)


def monitor_plots(report: MonitorReport) -> dict[str, bytes]:
    """PNG files by name: ``performance``, ``drift`` and ``training_range``, if there is data."""
    made: dict[str, bytes] = {}
    if report.performance.weeks:
        made["performance.png"] = performance(report.performance)
    if report.drift:
        made["drift.png"] = drift_weeks(report.drift)
    if any(part.weeks for part in report.ranges):
        made["training_range.png"] = training_range(report.ranges)
    return made


def performance(found: Performance) -> bytes:
    """The metric of each week with its interval, the reference and the bound of an alarm."""
    newest = [week for week in found.weeks if not week.held_out] or list(found.weeks)
    last, bound = newest[-1], found.bound
    title = f"{found.metric} {last.value:.4g} in the week of {last.start}"
    if bound is not None:
        beyond = last.value < bound if found.higher_is_better else last.value > bound
        title += f"; {'beyond' if beyond else 'within'} the bound {bound:.4g}"

    def draw(axes: Axes) -> None:
        for held_out, colour, label in (
            (True, GREY, "held out from training"),
            (False, BLUE, "the champion"),
        ):
            own = [week for week in found.weeks if week.held_out is held_out]
            if not own:
                continue
            at: Any = [week.start for week in own]  # matplotlib accepts dates
            values = np.array([week.value for week in own])
            ends = np.array(
                [
                    (week.interval.low, week.interval.high)
                    if week.interval
                    else (week.value, week.value)
                    for week in own
                ],
                dtype=float,
            )
            axes.plot(at, values, color=colour, linewidth=1.2)
            axes.errorbar(
                at,
                values,
                yerr=np.abs(np.nan_to_num(ends.T - values)),
                fmt="none",
                ecolor=colour,
                elinewidth=1.2,
                capsize=2,
            )
            faces = [colour if week.complete else "white" for week in own]
            axes.scatter(at, values, c=faces, edgecolors=colour, zorder=3, s=30, label=label)
        if any(not week.complete for week in found.weeks):
            axes.scatter([], [], c="white", edgecolors=GREY, s=30, label="labels still arrive")
        if found.reference is not None:
            axes.axhline(found.reference, color=GREY, linewidth=0.8, label="mean of the reference")
        if bound is not None:
            axes.axhline(
                bound,
                color=ORANGE,
                linewidth=1.2,
                linestyle="--",
                label=f"alarm beyond {bound:.4g}",
            )
        side = "higher" if found.higher_is_better else "lower"
        axes.set_ylabel(f"{found.metric}, {side} is better")
        _dates(axes, [week.start for week in found.weeks])
        _legend_below(axes)

    return png(title, draw, height=3.4)


def drift_weeks(drifts: Sequence[DriftWeeks]) -> bytes:
    """The distance of each column and week as a table of colours, in thresholds."""
    drifts = sorted(drifts, key=lambda drift: -drift.ratio)
    shown = drifts[:MOST_COLUMNS]
    mondays = sorted({week.week for drift in shown for week in drift.weeks})
    ratios = np.full((len(shown), len(mondays)), np.nan)
    for row, drift in enumerate(shown):
        for week in drift.weeks:
            ratios[row, mondays.index(week.week)] = week.distance / drift.threshold
    above = [drift for drift in drifts if drift.ratio > 1]
    title = (
        f"{len(above)} of {len(drifts)} columns are above their threshold; most: {above[0].column}"
        if above
        else f"No column of {len(drifts)} is above its threshold"
    )

    def draw(axes: Axes) -> None:
        axes.imshow(ratios, cmap=_DISTANCES, vmin=0, vmax=2, aspect="auto")
        for row, column in np.argwhere(~np.isnan(ratios)):
            ratio = ratios[row, column]
            weight = "bold" if ratio > 1 else "normal"
            axes.text(
                column, row, f"{ratio:.2g}", ha="center", va="center", fontsize=8, weight=weight
            )
        axes.set_yticks(range(len(shown)), [row_name(drift.column) for drift in shown], fontsize=8)
        axes.set_xticks(range(len(mondays)), [f"{at:%m-%d}" for at in mondays], fontsize=8)
        axes.set_xlabel("week; distance from training in thresholds of the newest week")
        axes.spines[:].set_visible(False)
        axes.tick_params(length=0)

    return png(title, draw, height=1.4 + 0.26 * len(shown))


def training_range(ranges: Sequence[TrainingRange]) -> bytes:
    """The share of rows in the training range by week, with its interval."""
    newest = [f"{part.weeks[-1].share:.1%} of {SOURCES[part.source]}" for part in ranges]
    title = f"In the training range: {', '.join(newest)}"

    def draw(axes: Axes) -> None:
        for part, colour in zip(ranges, (BLUE, ORANGE), strict=False):
            at: Any = [week.start for week in part.weeks]
            shares = np.array([week.share for week in part.weeks])
            ends = np.array([(week.interval.low, week.interval.high) for week in part.weeks])
            axes.fill_between(at, *ends.astype(float).T, color=colour, alpha=0.2, linewidth=0)
            label = SOURCES[part.source]
            axes.plot(at, shares, color=colour, marker="o", markersize=4, label=label)
        axes.set_ylabel("share of rows")
        axes.set_ylim(top=1.005)
        axes.yaxis.set_major_formatter(lambda value, _: f"{100 * value:.3g} %")
        _dates(axes, [week.start.date() for part in ranges for week in part.weeks])
        _legend_below(axes)

    return png(title, draw)


def _legend_below(axes: Axes) -> None:
    axes.legend(fontsize=8, frameon=False, ncols=3, loc="upper left", bbox_to_anchor=(-0.02, -0.16))


def _dates(axes: Axes, days: Sequence[date]) -> None:
    """Label the horizontal axis with dates, at least three weeks wide."""
    margin = max(timedelta(days=4), (timedelta(days=21) - (max(days) - min(days))) / 2)
    ends: Any = (min(days) - margin, max(days) + margin)
    axes.set_xlim(*ends)
    axes.xaxis.set_major_formatter(ConciseDateFormatter(axes.xaxis.get_major_locator()))
