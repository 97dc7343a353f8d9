"""Plots of effects."""

from __future__ import annotations

import textwrap
from typing import TYPE_CHECKING

from pipelines.causal.average import Effect
from pipelines.causal.report import EffectsReport, FoundEffects
from pipelines.reporting.effects.text import sentences
from pipelines.reporting.plots import BLUE, GREY, ORANGE, Plot

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_MOST = 24  # groups in a plot
_NAME_WIDTH, _MOST_LINES = 36, 5


def effects_plot(report: EffectsReport) -> Plot:
    """A forest plot: the average effect on top, then each group, worst first."""
    found = () if report.found is None else report.found.groups
    groups = [
        (one.name, one.effect) for one in (*report.declared, *found) if one.effect is not None
    ]
    groups.sort(key=lambda named: named[1].value)
    shown = [("all entities", report.outcome.best), *groups[:_MOST]]
    names = [f"{_row(name)} ({one.challengers + one.controls:,})" for name, one in shown]
    lines = sum(name.count("\n") + 1 for name in names)
    violated = len(report.violated)

    def draw(axes: Axes) -> None:
        for place, (_, effect) in enumerate(shown):
            colour = _colour(effect)
            axes.plot((effect.low, effect.high), (place, place), color=colour, linewidth=2)
            axes.plot(effect.value, place, marker="o", color=colour, markersize=5)
        axes.axvline(0, color=GREY, linewidth=0.8)
        axes.set_yticks(range(len(shown)), names, fontsize=8)
        axes.set_ylim(len(shown) - 0.4, -0.6)
        axes.set_xlabel(f"effect on {report.outcome.metric}; right of zero is better")

    return Plot(sentences(report)[violated], draw, height=1.3 + 0.08 * len(shown) + 0.16 * lines)


def _row(name: str) -> str:
    """The name of a row in lines that leave room for the plot; a rule may have several."""
    return textwrap.fill(name, _NAME_WIDTH, max_lines=_MOST_LINES, placeholder=" …")


def calibration_plot(found: FoundEffects) -> Plot | None:
    """The effect in each quarter of the predicted effects; None if they were not measured."""
    calibration = found.heterogeneity
    if calibration is None:
        return None
    pairs = [
        (mean, one.effect)
        for mean, one in zip(calibration.quarter_means, calibration.quarters, strict=True)
        if one.effect is not None
    ]
    if not pairs:
        return None
    shown = "Predicted effects are borne out" if calibration.shown else "No predicted effect holds"

    def draw(axes: Axes) -> None:
        means = [mean for mean, _ in pairs]
        axes.plot(means, means, color=GREY, linewidth=0.8, label="as predicted")
        for mean, effect in pairs:
            axes.plot((mean, mean), (effect.low, effect.high), color=_colour(effect), linewidth=2)
            axes.plot(mean, effect.value, marker="o", color=_colour(effect), markersize=5)
        axes.axhline(0, color=GREY, linewidth=0.8)
        axes.set_xlabel("mean predicted effect, in quarters of the entities")
        axes.set_ylabel("measured effect")
        axes.legend(frameon=False, fontsize=8)

    title = f"{shown}: slope {calibration.slope:.2g}, p = {calibration.p_value:.2g}"
    return Plot(title, draw)


def _colour(effect: Effect) -> str:
    if effect.low > 0:
        return BLUE
    return ORANGE if effect.high < 0 else GREY
