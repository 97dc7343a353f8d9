from __future__ import annotations

from pipelines.reporting.effects.plots import calibration_plot, effects_plot
from pipelines.reporting.effects.text import sentences
from tests.support.effects.reports import report, searched
from tests.support.effects.simulated_arms import ArmsWorld


def test_the_answer_is_the_title_and_every_group_has_a_line():
    found = report(ArmsWorld(effect=0.5, harmed=-1.0))
    plot = effects_plot(found)
    assert plot.title == sentences(found)[0]
    assert all(f"kind = {one}" in plot.svg() for one in range(4))
    assert plot.png().startswith(b"\x89PNG")


def test_a_long_rule_has_several_lines():
    found = report(ArmsWorld(effect=0.5))
    rule = "not (quantity_28d is unknown) and quantity_28d > 3.5 and not (kind = hospital)"
    long = found.declared[0].model_copy(update={"name": rule})
    plots = [effects_plot(report(ArmsWorld(effect=0.5), declared=(one,)))
             for one in (found.declared[0], long)]  # fmt: skip
    assert rule not in plots[1].svg()
    assert "not (quantity_28d is unknown) and" in plots[1].svg()
    assert plots[1].height > plots[0].height + 0.3


def test_the_title_of_the_calibration_reports_whether_predictions_hold():
    shown = calibration_plot(searched(ArmsWorld(entities=4000, slope=0.8)))
    assert shown.title.startswith("Predicted effects are borne out: slope ")
    assert "mean predicted effect" in shown.svg()
    nothing = calibration_plot(searched(ArmsWorld(entities=2000)))
    assert nothing.title.startswith("No predicted effect holds")
