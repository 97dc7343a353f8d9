"""Runner that compiles a suite to one aggregate query and passes the rest to another runner.

Every expectation has the same meaning as in Great Expectations on pandas. Value checks leave out
missing values (a float NaN is missing). ``mostly`` refers to the rows that remain. A row check of
no rows succeeds; an aggregate of no rows fails.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pipelines.quality.suite import ExpectationResult, Suite, SuiteRunner, columns_of

if TYPE_CHECKING:
    import ibis

    from pipelines.quality.sql.plan import CheckPlan


class SqlRunner:
    """Run known expectations as one Ibis aggregate; quantiles and uniqueness need further queries.

    Arguments:
        fallback: runs all other expectations on the same table.
    """

    def __init__(self, fallback: SuiteRunner) -> None:
        self._fallback = fallback

    def run(self, table: ibis.Table, suite: Suite) -> tuple[ExpectationResult, ...]:
        """Return one result per expectation, in the order of the suite."""
        from pipelines.quality.sql.compile import compile_expectation

        expectations = suite["expectations"]
        plans: dict[int, CheckPlan] = {}
        results: dict[int, ExpectationResult] = {}
        others: list[int] = []
        for index, expectation in enumerate(expectations):
            kwargs = expectation.get("kwargs") or {}
            missing = [name for name in columns_of(kwargs) if name not in table.columns]
            plan = compile_expectation(table, expectation["type"], kwargs)
            if plan is not None:
                plans[index] = plan
            elif missing:
                results[index] = ExpectationResult(
                    index=index,
                    type=expectation["type"],
                    success=False,
                    broken=f"the table has no column {missing[0]!r}; it has {list(table.columns)}",
                )
            else:
                others.append(index)
        for index, answer in run_plans(table, plans).items():
            results[index] = ExpectationResult(
                index=index, type=expectations[index]["type"], **answer
            )
        if others:
            rest = {**suite, "expectations": [expectations[index] for index in others]}
            for index, result in zip(others, self._fallback.run(table, rest), strict=True):
                results[index] = result.model_copy(update={"index": index})
        return tuple(results[index] for index in range(len(expectations)))


def run_plans(table: ibis.Table, plans: dict[int, CheckPlan]) -> dict[int, dict[str, Any]]:
    """Run all plans: their aggregates in one query, then their further queries.

    Returns:
        Fields of the result of each plan, by its index.
    """
    if not plans:
        return {}
    values = _aggregate(
        table,
        {
            f"{index}_{name}": expression
            for index, plan in plans.items()
            for name, expression in plan.aggregates.items()
        },
    )
    own = {
        index: {name: values[f"{index}_{name}"] for name in plan.aggregates}
        for index, plan in plans.items()
    }
    later = {
        f"{index}_{name}": expression
        for index, plan in plans.items()
        if plan.follow_up is not None
        for name, expression in plan.follow_up(own[index]).items()
    }
    for key, value in _aggregate(table, later).items():
        number, name = key.split("_", 1)
        own[int(number)][name] = value
    for index, plan in plans.items():
        for name, expression in plan.separate.items():
            own[index][name] = expression.to_pyarrow().as_py()
    return {index: plan.finish(own[index]) for index, plan in plans.items()}


def _aggregate(table: ibis.Table, expressions: dict[str, Any]) -> dict[str, Any]:
    if not expressions:
        return {}
    query = table.aggregate(**expressions)
    row: dict[str, Any] = query.to_pyarrow().to_pylist()[0]
    return row
