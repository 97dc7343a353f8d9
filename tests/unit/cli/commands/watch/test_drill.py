"""The matrix in the terminal."""

from __future__ import annotations

import pytest

from pipelines.cli.commands.watch.drill import show
from tests.support.drill_matrix import MATRIX


def test_the_table_has_a_line_for_each_fault(capsys: pytest.CaptureFixture[str]) -> None:
    show(MATRIX)
    shown = capsys.readouterr().out
    assert "demand version 3, data as of 2025-03-10" in shown
    assert all(row.fault in shown for row in MATRIX.rows)
    assert "caught from" in shown
