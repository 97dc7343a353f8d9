"""Small plots of an evaluation, each with the finding as its title, as files and as HTML.

Drawn without pyplot, to avoid global state. The colours are those of Okabe and Ito (2008), which
people with any common form of colour blindness can distinguish.
"""

from __future__ import annotations

import io
import textwrap
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, NamedTuple

import matplotlib as mpl
import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.dates import ConciseDateFormatter
from matplotlib.figure import Figure

from pipelines.core.arrays import Floats
from pipelines.core.markup import html_text, visible
from pipelines.gates.recent_window.record import Evaluation, SliceDifference
from pipelines.reporting.html_page import inline_svg
from pipelines.stats.paired import PairedDifference

if TYPE_CHECKING:
    from matplotlib.axes import Axes

BLUE, ORANGE, GREY = "#0072B2", "#D55E00", "#6b6b6b"
_MOST_SLICES = 16
_BINS = 10
_WIDTH = 8.4  # of an SVG, in inches
_NAME_WIDTH = 30  # characters
_LABEL_WIDTH = 46


class Plot(NamedTuple):
    """A plot that has not been rendered.

    Arguments:
        title: a sentence that states what it shows.
        draw: draws it.
        height: in inches.
    """

    title: str
    draw: Callable[[Axes], None]
    height: float = 3.0

    def png(self) -> bytes:
        """The plot as a PNG file."""
        return png(self.title, self.draw, self.height)

    def svg(self) -> str:
        """The plot as an HTML figure."""
        return svg(self.title, self.draw, self.height)

    def svg_file(self) -> bytes:
        """The plot as an SVG file, with its title."""
        with style():
            figure = Figure(figsize=(_WIDTH, self.height), layout="constrained")
            _draw(figure, self.draw)
            return svg_file(figure, self.title)


def evaluation_plots(
    evaluation: Evaluation,
    *,
    level: float,
    actual: Floats | None = None,
    predicted: Floats | None = None,
) -> dict[str, Plot]:
    """Plots by name: ``daily``, ``losses``, ``slices``, ``calibration`` and ``seeds``.

    A plot without data is left out.

    Arguments:
        evaluation: the evaluation of the recent window.
        level: coverage of the intervals, between 0 and 1.
        actual: labels of the window, shape (n,); 0 and 1 for a classifier.
        predicted: the candidate's predictions for them, shape (n,).
    """
    made: dict[str, Plot] = {}
    if evaluation.daily and evaluation.primary is not None:
        made["daily"] = daily(evaluation, level)
        if evaluation.daily[0].candidate is not None:
            made["losses"] = losses(evaluation)
    if any(part.difference is not None for part in evaluation.slices):
        made["slices"] = slices(evaluation, level)
    if actual is not None and predicted is not None and len(actual) >= _BINS:
        made["calibration"] = calibration(actual, predicted)
    if len(evaluation.seeds) > 1:
        made["seeds"] = seeds(evaluation)
    return made


def losses(evaluation: Evaluation) -> Plot:
    """The primary metric of both models on each day."""
    days: Any = [part.day for part in evaluation.daily]  # matplotlib accepts dates
    primary = evaluation.primary
    metric = primary.metric if primary else "metric"
    other = evaluation.baseline.replace("_", " ")
    title = f"{metric} on each day of the recent window"
    if primary:
        title += f": candidate {primary.candidate:.4g}, {other} {primary.baseline:.4g}"

    def draw(axes: Axes) -> None:
        own: Any = [part.candidate for part in evaluation.daily]
        others: Any = [part.baseline for part in evaluation.daily]
        axes.plot(days, others, color=GREY, linewidth=1.4, marker="s", markersize=3, label=other)
        axes.plot(days, own, color=BLUE, linewidth=1.6, marker="o", markersize=3, label="candidate")
        better = "higher" if primary and primary.higher_is_better else "lower"
        axes.set_ylabel(f"{metric}, {better} is better")
        axes.xaxis.set_major_formatter(ConciseDateFormatter(axes.xaxis.get_major_locator()))
        axes.legend(fontsize=8, framealpha=0.8, edgecolor="none")

    return Plot(title, draw)


def daily(evaluation: Evaluation, level: float) -> Plot:
    """Each day's mean gain, the mean up to each day, and the interval of the whole window."""
    days: Any = [part.day for part in evaluation.daily]  # matplotlib accepts dates
    gains = np.array([part.difference for part in evaluation.daily])
    rows = np.array([part.rows for part in evaluation.daily])
    running = np.cumsum(gains * rows) / np.cumsum(rows)
    primary = evaluation.primary
    difference = primary.difference if primary else None
    better = int((gains > 0).sum())
    title = f"The candidate was better on {better} of {len(days)} days"
    ends = _ends(difference, level) if difference else None
    if difference and ends:
        title += f"; mean gain {difference.estimate:+.3g} ({ends[0]:+.3g} to {ends[1]:+.3g})"

    def draw(axes: Axes) -> None:
        colours = [BLUE if gain > 0 else ORANGE for gain in gains]
        axes.bar(days, gains, color=colours, alpha=0.8, width=0.8)
        axes.plot(days, running, color="black", linewidth=1.6, label="mean up to the day")
        if ends:
            words = f"{level:.0%} interval of the mean"
            axes.axhspan(*ends, color=GREY, alpha=0.25, label=words)
        axes.axhline(0, color=GREY, linewidth=0.8)
        axes.set_ylabel(f"gain in {primary.metric}" if primary else "gain")
        axes.xaxis.set_major_formatter(ConciseDateFormatter(axes.xaxis.get_major_locator()))
        axes.legend(fontsize=8, framealpha=0.8, edgecolor="none")

    return Plot(title, draw)


def slices(evaluation: Evaluation, level: float) -> Plot:
    """A forest plot, worst slice on top."""
    compared = [part for part in evaluation.slices if part.difference is not None]
    compared.sort(key=_estimate)
    shown = compared[:_MOST_SLICES]
    ends = [_ends(part.difference, level) for part in shown if part.difference]
    worse = sum(high < 0 for _, high in ends)
    names = [f"{row_name(part.column, part.value)} ({part.rows:,})" for part in shown]
    worst, loss = shown[0], _estimate(shown[0])
    title = (
        f"{worse} of {len(shown)} slices clearly lose"
        if worse
        else f"No slice clearly loses; the worst is {_shortened(worst.value)} ({loss:+.3g})"
    )

    def draw(axes: Axes) -> None:
        for place, (part, end) in enumerate(zip(shown, ends, strict=True)):
            colour = ORANGE if end[1] < 0 else BLUE
            axes.plot(end, (place, place), color=colour, linewidth=2)
            axes.plot(_estimate(part), place, marker="o", color=colour, markersize=5)
        axes.axvline(0, color=GREY, linewidth=0.8)
        axes.set_yticks(range(len(shown)), names, fontsize=8)
        axes.set_ylim(len(shown) - 0.4, -0.6)
        axes.set_xlabel(f"gain and {level:.0%} interval; right of zero the candidate is better")

    lines = sum(name.count("\n") + 1 for name in names)
    return Plot(title, draw, height=1.3 + 0.08 * len(shown) + 0.16 * lines)


def row_name(*parts: str) -> str:
    """The name of a row of a plot, such as a column and its value, that leaves room for the plot.

    >>> row_name("region", "north")
    'region = north'
    >>> row_name("region", "north of the river and east of it")
    'region =\\nnorth of the river…east of it'
    """
    name = " = ".join(parts)
    return name if len(name) <= _NAME_WIDTH else " =\n".join(map(_shortened, parts))


def _shortened(name: str) -> str:
    """A name without its middle; names often differ at their ends only."""
    short = len(name) <= _NAME_WIDTH
    return name if short else f"{name[: _NAME_WIDTH - 11].strip()}…{name[-10:].strip()}"


def calibration(actual: Floats, predicted: Floats) -> Plot:
    """Mean label against mean prediction, in ten groups of rows with similar predictions."""
    order = np.argsort(predicted, kind="stable")
    groups = [group for group in np.array_split(order, _BINS) if len(group)]
    means = np.array([(predicted[group].mean(), actual[group].mean()) for group in groups])
    bias = float(predicted.mean() - actual.mean())
    size = float(actual.mean())
    share = f" ({abs(bias / size):.1%})" if size else ""
    words = "high" if bias > 0 else "low"
    title = f"Predictions are {abs(bias):.3g}{share} too {words} on average"

    def draw(axes: Axes) -> None:
        low, high = float(means.min()), float(means.max())
        axes.plot([low, high], [low, high], color=GREY, linewidth=0.8, label="perfect")
        axes.plot(means[:, 0], means[:, 1], color=BLUE, marker="o", markersize=4, label="candidate")
        axes.set_xlabel("mean prediction, in tenths of the rows")
        axes.set_ylabel("mean label")
        axes.legend(frameon=False, fontsize=8)

    return Plot(title, draw)


def seeds(evaluation: Evaluation) -> Plot:
    """The gain of each fit with another seed."""
    gains = [part.gain for part in evaluation.seeds]
    title = (
        f"The candidate gains {gains[0]:+.3g}; refits with other seeds "
        f"{min(gains[1:]):+.3g} to {max(gains[1:]):+.3g}"
    )

    def draw(axes: Axes) -> None:
        axes.scatter(gains[1:], [0] * (len(gains) - 1), color=GREY, s=45, label="other seeds")
        axes.scatter(gains[:1], [0], color=BLUE, s=90, marker="D", label="candidate")
        axes.axvline(0, color=GREY, linewidth=0.8)
        axes.set_yticks([])
        axes.set_xlabel("gain")
        axes.legend(frameon=False, fontsize=8, ncols=2, loc="upper center")

    return Plot(title, draw, height=1.9)


def _ends(difference: PairedDifference, level: float) -> tuple[float, float]:
    interval = difference.interval(level)
    if interval.low is None:
        raise ValueError("the interval has no lower bound")
    if interval.high is None:
        raise ValueError("the interval has no upper bound")
    return interval.low, interval.high


def _estimate(part: SliceDifference) -> float:
    if part.difference is None:
        raise ValueError("the slice has no difference")
    return part.difference.estimate


def png(title: str, draw: Callable[[Axes], None], height: float = 3.0) -> bytes:
    """A plot as a PNG file, with a title that states what it shows."""
    with style():
        figure = Figure(figsize=(6.6, height), dpi=100, layout="constrained")
        canvas = FigureCanvasAgg(figure)
        _draw(figure, draw)
        _write_title(figure, title, 76)
        file = io.BytesIO()
        canvas.print_png(file, metadata={"Software": None})
        return file.getvalue()


def svg_file(figure: Figure, title: str) -> bytes:
    """A figure as an SVG file with a title; the same figure gives the same bytes."""
    _write_title(figure, title, 96)
    return _svg(figure, Title=title).encode()


def _write_title(figure: Figure, title: str, width: int) -> None:
    """Write a title above a plot, in lines of at most so many characters."""
    words = textwrap.fill(title, width)
    figure.suptitle(words, x=0.01, ha="left", fontsize=10, fontweight="bold")


def _svg(figure: Figure, **metadata: str) -> str:
    canvas, file = FigureCanvasSVG(figure), io.StringIO()
    canvas.print_svg(file, metadata={"Date": None, "Creator": None, **metadata})
    return visible(file.getvalue())  # no XML has control characters; names may


@contextmanager
def style() -> Iterator[None]:
    """The settings of all plots, and of nothing else that draws in this process."""
    with mpl.rc_context(
        {
            "font.size": 9,
            "axes.spines.top": False,
            "axes.spines.right": False,
            "text.parse_math": False,  # a dollar sign in a user's name is a dollar sign
            "svg.fonttype": "none",
            "svg.hashsalt": "gauntlet",
        }
    ):
        yield


def _draw(figure: Figure, draw: Callable[[Axes], None]) -> None:
    """Draw a plot. Beside long names of rows, only a short line of its label has room."""
    axes = figure.add_subplot()
    draw(axes)
    axes.set_xlabel(textwrap.fill(axes.get_xlabel(), _LABEL_WIDTH))


def svg(title: str, draw: Callable[[Axes], None], height: float = 3.2) -> str:
    """A plot as an HTML figure with its title; the same plot gives the same text."""
    with style():
        figure = Figure(figsize=(_WIDTH, height), layout="constrained")
        _draw(figure, draw)
        image = inline_svg(_svg(figure, Title=title))
    return f"<figure><figcaption>{html_text(title)}</figcaption>{image}</figure>"
