"""The matrix in words."""

from __future__ import annotations

from pipelines.faults.matrix import Cell
from pipelines.reporting.drill.matrix_text import matrix_lines, sentences
from tests.support.drill_matrix import COST, MATRIX


def test_a_line_names_the_smallest_size_and_what_the_others_cost() -> None:
    caught, missed, skipped = matrix_lines(MATRIX)
    assert (caught.caught_from, caught.first_finding) == ("50%", "contract.x")
    assert caught.undetected == "2%: +2.5 (+1.5 to +3.5)"
    assert missed.caught_from == "no size"
    assert skipped.first_finding == "not applicable: no rollout"


def test_sentences_name_the_worst_fault_and_false_alarms() -> None:
    counted, worst, alarms = sentences(MATRIX)
    assert counted == "1 of 2 planted faults are caught from some size on; not applicable: 1."
    assert "shifted_labels (100%)" in worst
    assert (
        "absolute_error for each prediction: +9 (+1.5 to +3.5). The minimum effect is 0.5" in worst
    )
    assert alarms == (
        "Without a fault, suite and envelope stop 1 of 2 past stretches of 1d: contract.a."
    )


def test_predictions_that_a_fault_prevents_are_counted() -> None:
    unknown = COST.model_copy(update={"low": None, "high": None})
    row = MATRIX.rows[1].model_copy(update={"cells": (Cell(size=1, cost=unknown),)})
    without_harm = MATRIX.model_copy(update={"rows": (row,)})
    assert "No undetected fault is shown to cost anything." in sentences(without_harm)
    lost = Cell(size=1, cost=unknown.model_copy(update={"lost": 20}))
    some_lost = MATRIX.model_copy(update={"rows": (row.model_copy(update={"cells": (lost,)}),)})
    assert matrix_lines(some_lost)[0].undetected == "100%: 0, 20 of 520 predictions missing"
    assert not any("is shown to cost" in one for one in sentences(some_lost))
