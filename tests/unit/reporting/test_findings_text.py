"""Findings in a log: two lines each, the worst first, the same reason once."""

from pipelines.core.findings import Verdict, make_finding
from pipelines.reporting.findings_text import MOST, problem_lines

SILENT = "stock has no fresh rows since 2025-10-26: its feed seems to have stopped"


def test_a_finding_is_two_lines_with_what_to_do_and_the_same_reason_is_there_once() -> None:
    found = [
        make_finding("contract.suite.stock.units.range", Verdict.NO_DATA, SILENT),
        make_finding("contract.suite.stock.units.missing", Verdict.NO_DATA, SILENT),
        make_finding("contract.envelope.sales.cups.range", Verdict.FAIL, "cups: median 250"),
        make_finding("contract.suite.sales.cups.missing", Verdict.PASS, "fine"),
        make_finding("contract.suite.sales.cups.type", Verdict.FAIL, "shown", blocking=False),
    ]
    first, why, second, silent = problem_lines(found)
    assert first == "fail: contract.envelope.sales.cups.range"
    assert why.startswith("    cups: median 250. To do: ")
    assert second == "no data: contract.suite.stock.units.range and 1 more with the same reason"
    assert silent.startswith(f"    {SILENT}. To do: Fix the data upstream")


def test_many_reasons_are_counted() -> None:
    found = [
        make_finding(f"contract.suite.sales.c{n}.range", Verdict.FAIL, f"reason {n}")
        for n in range(MOST + 3)
    ]
    lines = list(problem_lines(found))
    assert len(lines) == 2 * MOST + 1
    assert lines[-1].startswith("and 3 more reasons")
