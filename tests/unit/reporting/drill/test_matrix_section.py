"""The section at the end of a version's review page."""

from __future__ import annotations

from pipelines.reporting.drill.matrix_section import drill_section, with_drill
from tests.support.drill_matrix import MATRIX


def test_a_second_drill_replaces_the_section_of_the_first() -> None:
    page = with_drill("# demand 3\n\nPromoted.\n", MATRIX)
    assert page.startswith("# demand 3\n\nPromoted.\n\n## Drill\n")
    again = with_drill(page, MATRIX.model_copy(update={"quick": True}))
    assert again.count("## Drill") == 1
    assert "null_spike" in again
    assert with_drill("", MATRIX) == drill_section(MATRIX)


def test_a_long_page_gets_no_table_and_a_full_one_no_section() -> None:
    section = drill_section(MATRIX)
    long = with_drill("x" * (5000 - len(section)), MATRIX)
    assert "## Drill" in long
    assert "| fault" not in long
    full = "x" * 4990
    assert with_drill(full, MATRIX) == full
    assert with_drill(f"{full}\n\n## Drill\n\nold", MATRIX) == full
