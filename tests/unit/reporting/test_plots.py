"""Plots leave room for their labels, however long the names in them are."""

from __future__ import annotations

import io
from collections.abc import Callable
from xml.etree import ElementTree

import pytest
from matplotlib.image import imread

from pipelines.reporting.plots import Plot, evaluation_plots
from pipelines.reporting.retraining.sections import VersionReview

Make = Callable[..., VersionReview]


def slices_plot(about: VersionReview, column: str, value: str) -> Plot:
    """The plot of slices, each of which has the same name."""
    evaluation = about.evaluation
    assert evaluation is not None
    named = tuple(
        part.model_copy(update={"column": column, "value": value}) for part in evaluation.slices
    )
    return evaluation_plots(evaluation.model_copy(update={"slices": named}), level=0.9)["slices"]


@pytest.mark.parametrize(
    ("column", "value"),
    [
        ("medicine", "insulin"),
        ("region_of_the_wholesaler_who_delivers", "north of the river and east of the highway"),
        ("c" * 200, "v" * 200),
        ("price", r"$5 or \frac $6"),
    ],
    ids=["short", "long", "one long word", "dollars"],
)
def test_no_text_of_a_forest_plot_is_cut_off(reviewed: Make, column: str, value: str) -> None:
    plot = slices_plot(reviewed(2.0), column, value)
    ink = imread(io.BytesIO(plot.png()))[:, :, :3].min(axis=2) < 0.9
    edges = {"left": ink[:, 0], "right": ink[:, -1], "top": ink[0], "bottom": ink[-1]}
    assert [name for name, edge in edges.items() if edge.any()] == []
    below = ink.any(axis=1)[::-1].argmax()
    assert below < 20, "the label below the axis is missing"
    assert "candidate is better" in " ".join(plot.svg().split())


@pytest.mark.filterwarnings("ignore:Glyph .* missing from font")
def test_a_name_with_control_characters_leaves_the_file_whole(reviewed: Make) -> None:
    file = slices_plot(reviewed(2.0), "shop\x02", "\x1b[31m & <b>").svg_file()
    root = ElementTree.fromstring(file)
    assert root.tag.endswith("}svg")
    assert "\\x1b[31m & <b>" in " ".join(root.itertext())
