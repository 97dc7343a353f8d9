"""A suite on many groups of rows at once gives what it gives on each of them alone."""

from __future__ import annotations

from typing import Any

import ibis

from pipelines.core.names import internal
from pipelines.quality.sql.runner import SqlRunner
from pipelines.quality.suite import ExpectationResult, Suite

GROUP = internal("group_of_rows")
TABLE = ibis.memtable(
    {
        GROUP: ["a", "a", "a", "b", "b", "c"],
        "packs": [1.0, 2.0, 2.0, None, 5.0, 7.0],
        "kind": ["x", "y", "y", None, "x", "z"],
    },
    schema={GROUP: "string", "packs": "float64", "kind": "string"},
)


class Counting:
    """Answers what no query can, by the number of rows."""

    def run(self, table: ibis.Table, suite: Suite) -> tuple[ExpectationResult, ...]:
        assert table.columns == ("packs", "kind"), "the group is no column of the stream"
        return tuple(
            ExpectationResult(
                index=index,
                type=one["type"],
                success=True,
                observed=int(table.count().execute()),
            )
            for index, one in enumerate(suite["expectations"])
        )


def expect(kind: str, **kwargs: Any) -> dict[str, Any]:
    return {"type": f"expect_{kind}", "kwargs": kwargs}


SUITE: Suite = {
    "name": "parts",
    "expectations": [
        expect("table_row_count_to_be_between", min_value=2),
        expect("column_values_to_not_be_null", column="packs"),
        expect("only_elsewhere", column="packs"),
        expect("column_values_to_be_unique", column="kind"),
        expect("column_median_to_be_between", column="packs", max_value=4),
        expect(
            "column_quantile_values_to_be_between",
            column="packs",
            quantile_ranges={"quantiles": [0.5], "value_ranges": [[2, 2]]},
        ),
        expect("table_columns_to_match_set", column_set=["packs", "kind"]),
        expect("column_to_exist", column="kind"),
        expect("column_values_to_not_be_null", column="lost"),
    ],
}


def test_groups_have_the_results_that_each_has_alone() -> None:
    runner = SqlRunner(Counting())
    found = runner.run_each(TABLE, GROUP, SUITE)
    assert sorted(found) == ["a", "b", "c"]
    for group, results in found.items():
        alone = TABLE.filter(TABLE[GROUP] == group).drop(GROUP)
        assert results == runner.run(alone, SUITE)
    assert len(set(map(str, found.values()))) == 3


def test_a_suite_without_expectations_has_no_results() -> None:
    empty: Suite = {"name": "parts", "expectations": []}
    assert SqlRunner(Counting()).run_each(TABLE, GROUP, empty) == {"a": (), "b": (), "c": ()}
