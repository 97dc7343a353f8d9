"""Several suites about a stream are answered together, each as if it were alone."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import ibis
import pytest

from pipelines.gates.contract.answers import NO_ROWS, answers
from pipelines.quality.sql.runner import SqlRunner
from pipelines.quality.suite import ExpectationResult, Suite


class Counting:
    """Answers as ``SqlRunner`` does, and counts the tables that it has read."""

    def __init__(self) -> None:
        self.read = 0

    def run(self, table: ibis.Table, suite: Suite) -> tuple[ExpectationResult, ...]:
        self.read += 1
        return SqlRunner(self).run(table, suite)


def table(*quantities: float) -> ibis.Table:
    rows = [{"quantity": float(quantity)} for quantity in quantities]
    return ibis.duckdb.connect().create_table(
        "t", ibis.memtable(rows, schema={"quantity": "float64"})
    )


def between(low: float, high: float) -> dict[str, Any]:
    limits = {"column": "quantity", "min_value": low, "max_value": high}
    return {"type": "expect_column_values_to_be_between", "kwargs": limits}


def suite(*expectations: dict[str, Any]) -> Suite:
    return {"name": "s", "expectations": [*expectations]}


def test_each_suite_has_its_own_answers_from_one_run_of_a_stream() -> None:
    hand = {"sales": suite(between(0, 1), between(0, 10))}
    envelope = {"sales": suite(between(2, 3)), "stock": suite(between(0, 1), between(5, 6))}
    tables, runner = {"sales": table(1, 2, 3), "stock": table(5)}, Counting()
    together = answers([hand, envelope], tables, runner)
    assert runner.read == len(tables)
    assert together == [answers([one], tables, runner)[0] for one in (hand, envelope)]
    assert [{stream: one.rows for stream, one in own.items()} for own in together] == [
        {"sales": 3},
        {"sales": 3, "stock": 1},
    ]
    wrong = [
        {stream: [r.unexpected_count for r in one.results or ()] for stream, one in own.items()}
        for own in together
    ]
    assert wrong == [{"sales": [2, 0]}, {"sales": [1], "stock": [1, 0]}]


def test_a_suite_about_the_columns_does_not_see_those_that_another_suite_adds() -> None:
    at = datetime(2026, 1, 5, tzinfo=UTC).replace(tzinfo=None)
    row = {"quantity": 1.0, "event_time": at, "known_time": at}
    columns = {
        "type": "expect_table_columns_to_match_set",
        "kwargs": {"column_set": [*row]},
    }
    days = {
        "type": "expect_column_unique_value_count_to_be_between",
        "kwargs": {"column": "known_day", "min_value": 1},
    }
    sales = ibis.duckdb.connect().create_table("t", ibis.memtable([row]))
    runner = Counting()
    found = answers(
        [{"sales": suite(one)} for one in (columns, days, between(0, 1))], {"sales": sales}, runner
    )
    results = [own["sales"].results for own in found]
    assert [[one.success for one in own or ()] for own in results] == [[True]] * 3
    assert runner.read == 2


@pytest.mark.parametrize("first", [suite(), suite(between(0, 1))])
def test_a_stream_without_rows_has_no_results_for_any_suite(first: Suite) -> None:
    suites = [{"sales": first}, {"sales": suite(between(2, 3))}]
    found = answers(suites, {"sales": table()}, Counting())
    assert [own["sales"] for own in found] == [NO_ROWS, NO_ROWS]
