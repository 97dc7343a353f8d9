"""The matrix in words."""

from __future__ import annotations

from pipelines.reporting.drill.matrix_text import matrix_lines, sentences
from tests.support.drill_matrix import MATRIX


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
    assert "The minimum effect is 0.5" in worst
    assert alarms == "Without a fault, the contract stops 1 of 2 past weeks: contract.a."
