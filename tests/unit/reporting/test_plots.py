"""Plots leave room for their labels, however long the names in them are."""

from __future__ import annotations

import io
from collections.abc import Callable

import pytest
from matplotlib.image import imread

from pipelines.reporting.plots import evaluation_plots
from pipelines.reporting.retraining.sections import VersionReview

Make = Callable[..., VersionReview]


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
    evaluation = reviewed(2.0).evaluation
    assert evaluation is not None
    named = tuple(
        part.model_copy(update={"column": column, "value": value}) for part in evaluation.slices
    )
    plot = evaluation_plots(evaluation.model_copy(update={"slices": named}), level=0.9)["slices"]
    ink = imread(io.BytesIO(plot.png()))[:, :, :3].min(axis=2) < 0.9
    edges = {"left": ink[:, 0], "right": ink[:, -1], "top": ink[0], "bottom": ink[-1]}
    assert [name for name, edge in edges.items() if edge.any()] == []
    below = ink.any(axis=1)[::-1].argmax()
    assert below < 20, "the label below the axis is missing"
    assert "candidate is better" in " ".join(plot.svg().split())
