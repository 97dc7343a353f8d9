"""The plot of a refresh: what age costs, and what refreshes gained against replaced versions."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from matplotlib.figure import Figure

from pipelines.gates.refresh.age_costs import AgeCost
from pipelines.gates.refresh.findings import LEVEL
from pipelines.gates.refresh.state import RefreshState, ReplacedAccount
from pipelines.reporting.plots import BLUE, GREY, ORANGE, style, svg_file
from pipelines.spec.training import RefreshGate

if TYPE_CHECKING:
    from matplotlib.axes import Axes


def refresh_plot(
    gate: RefreshGate, unit: str, state: RefreshState, costs: Sequence[AgeCost]
) -> bytes | None:
    """An SVG file: cost by age with the champion's age marked; below it accounts and the stop.

    Arguments:
        gate: the declared thresholds.
        unit: the primary metric's name.
        state: what the record says.
        costs: from ``costs_by_age``.

    Returns:
        The file; ``None`` while the record has too few weeks.
    """
    cost = state.cost
    if cost is None or not costs:
        return None
    accounts = state.accounts
    height = 3.0 + (0.7 + 0.28 * len(accounts) if accounts else 0.0)
    with style():
        figure = Figure(figsize=(8.4, height), layout="constrained")
        ratios = [3.0, 0.7 + 0.28 * len(accounts)] if accounts else [1.0]
        axes = figure.subplots(len(ratios), 1, squeeze=False, height_ratios=ratios)[:, 0]
        _by_age(axes[0], gate, unit, state, costs)
        if accounts:
            _accounts(axes[1], gate, accounts)
        return svg_file(figure, f"A week of age costs {cost.estimate:.3g} {unit}")


def _by_age(
    axes: Axes, gate: RefreshGate, unit: str, state: RefreshState, costs: Sequence[AgeCost]
) -> None:
    ages = [each.age for each in costs]
    values = [each.cost.estimate for each in costs]
    reach = [each.cost.estimate - float(each.cost.interval(LEVEL).low or 0.0) for each in costs]
    axes.errorbar(
        ages, values, yerr=reach, color=BLUE, fmt="o", markersize=4, capsize=2, label="by age"
    )
    if state.cost is not None:
        last = max(*ages, state.age)
        axes.plot([0, last], [0, state.cost.estimate * last], color=BLUE, linewidth=1, alpha=0.6)
    axes.axvline(state.age, color=ORANGE, linewidth=1.4, label="the champion's age")
    worth = gate.cost * state.minimum_effect
    axes.axhline(worth, color=GREY, linewidth=0.8, linestyle="--", label="worth a refresh")
    axes.axhline(0, color=GREY, linewidth=0.8)
    axes.set_xlabel("weeks older than the freshest candidate")
    axes.set_ylabel(f"loss in {unit}")
    axes.legend(fontsize=8, frameon=False)


def _accounts(axes: Axes, gate: RefreshGate, accounts: Sequence[ReplacedAccount]) -> None:
    lost = [each.lost for each in accounts]
    colours = [ORANGE if each > 0 else BLUE for each in lost]
    axes.barh(range(len(accounts)), lost, color=colours, height=0.6)
    axes.axvline(gate.stop, color="black", linewidth=1.4, label="stop")
    axes.axvline(0, color=GREY, linewidth=0.8)
    axes.set_yticks(range(len(accounts)), [f"version {each.version}" for each in accounts])
    axes.set_xlabel("lost against replaced versions, in weeks of one minimum effect")
    axes.legend(fontsize=8, frameon=False, loc="lower right")
