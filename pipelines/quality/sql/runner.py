"""Runner that compiles a suite to one aggregate query and passes the rest to another runner.

Every expectation has the same meaning as in Great Expectations on pandas. Value checks leave out
missing values (a float NaN is missing). ``mostly`` refers to the rows that remain. A row check of
no rows succeeds; an aggregate of no rows fails.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from pipelines.quality.suite import ExpectationResult, Suite, SuiteRunner, columns_of

if TYPE_CHECKING:
    import ibis

    from pipelines.quality.sql.plan import CheckPlan


@dataclass(frozen=True)
class _Compiled:
    """A suite's expectations by their index: those with a plan, and those that cannot be run.

    All others are left to the other runner.
    """

    plans: dict[int, CheckPlan] = field(default_factory=dict)
    broken: dict[int, str] = field(default_factory=dict)


class SqlRunner:
    """Run known expectations as one Ibis aggregate; some need further queries.

    Arguments:
        fallback: runs all other expectations on the same table.
    """

    def __init__(self, fallback: SuiteRunner) -> None:
        self._fallback = fallback

    def run(self, table: ibis.Table, suite: Suite) -> tuple[ExpectationResult, ...]:
        """Return one result per expectation, in the order of the suite."""
        compiled = _compiled(table, table, suite)
        answers = run_plans(table, compiled.plans)
        for index, problem in compiled.broken.items():
            answers[index] = {"success": False, "broken": problem}
        others, rest = _without(suite, answers)
        results = _results(suite, answers)
        if others:
            for index, result in zip(others, self._fallback.run(table, rest), strict=True):
                results[index] = result.model_copy(update={"index": index})
        return tuple(results[index] for index in sorted(results))

    def run_each(
        self, table: ibis.Table, by: str, suite: Suite
    ) -> dict[Any, tuple[ExpectationResult, ...]]:
        """Run a suite on each group of rows, in the same queries for all of them.

        An expectation that cannot be compiled, or that needs an earlier answer, is run on one group
        after the other.

        Arguments:
            table: the rows of all groups.
            by: the column that names the group; expectations do not see it.
            suite: the expectations.

        Returns:
            The results by group; a group without rows has none.
        """
        own = table.drop(by)
        compiled = _compiled(table, own, suite)
        together = {i: plan for i, plan in compiled.plans.items() if plan.follow_up is None}
        found = {}
        for (group,), answers in _evaluated(table, together, [by]).items():
            for index, problem in compiled.broken.items():
                answers[index] = {"success": False, "broken": problem}
            others, rest = _without(suite, answers)
            results = _results(suite, answers)
            if others:
                alone = table.filter(table[by] == group).drop(by)
                for index, result in zip(others, self.run(alone, rest), strict=True):
                    results[index] = result.model_copy(update={"index": index})
            found[group] = tuple(results[index] for index in sorted(results))
        return found


def _compiled(table: ibis.Table, own: ibis.Table, suite: Suite) -> _Compiled:
    """Compile the expectations of a suite.

    Arguments:
        table: the rows, which may have a further column to group by.
        own: the same without it.
        suite: the expectations.
    """
    from pipelines.quality.sql.compile import compile_expectation

    found = _Compiled()
    for index, expectation in enumerate(suite["expectations"]):
        kind, kwargs = expectation["type"], expectation.get("kwargs") or {}
        missing = [name for name in columns_of(kwargs) if name not in own.columns]
        plan = compile_expectation(table, kind, kwargs)
        if plan is not None and not plan.aggregates:  # it is about the columns of the table
            plan = compile_expectation(own, kind, kwargs)
        if plan is not None:
            found.plans[index] = plan
        elif missing:
            found.broken[index] = (
                f"the table has no column {missing[0]!r}; it has {list(own.columns)}"
            )
    return found


def _without(suite: Suite, answered: Iterable[int]) -> tuple[list[int], Suite]:
    """The indices of a suite's other expectations, and a suite of these."""
    done, every = set(answered), suite["expectations"]
    others = [index for index in range(len(every)) if index not in done]
    return others, {**suite, "expectations": [every[index] for index in others]}


def _results(suite: Suite, answers: dict[int, dict[str, Any]]) -> dict[int, ExpectationResult]:
    return {
        index: ExpectationResult(index=index, type=suite["expectations"][index]["type"], **answer)
        for index, answer in answers.items()
    }


def run_plans(table: ibis.Table, plans: dict[int, CheckPlan]) -> dict[int, dict[str, Any]]:
    """Run all plans: their aggregates in one query, then their further queries.

    Returns:
        Fields of the result of each plan, by its index.
    """
    return _evaluated(table, plans, [])[()] if plans else {}


def _evaluated(
    table: ibis.Table, plans: dict[int, CheckPlan], by: Sequence[str]
) -> dict[tuple[Any, ...], dict[int, dict[str, Any]]]:
    """The answers of all plans in each group of rows; a plan with a follow-up takes no groups."""
    from pipelines.quality.sql.plan import VALUE

    together = {
        f"{index}_{name}": expression
        for index, plan in plans.items()
        for name, expression in plan.aggregates.items()
    }
    groups = _rows(_aggregated(table, together, by), by)
    own = {
        group: {
            index: {name: values[f"{index}_{name}"] for name in plan.aggregates}
            for index, plan in plans.items()
        }
        for group, values in groups.items()
    }
    for index, plan in plans.items():
        for name, of_groups in plan.separate.items():
            found = _rows(of_groups(by), by)
            for group, values in own.items():
                values[index][name] = found.get(group, {}).get(VALUE)
    if not by:
        _follow_up(table, plans, own[()])
    return {
        group: {index: plan.finish(values[index]) for index, plan in plans.items()}
        for group, values in own.items()
    }


def _follow_up(
    table: ibis.Table, plans: dict[int, CheckPlan], own: dict[int, dict[str, Any]]
) -> None:
    """Add the values of the plans' further expressions, which need earlier values."""
    while later := {
        f"{index}_{name}": expression
        for index, plan in plans.items()
        if plan.follow_up is not None
        for name, expression in plan.follow_up(own[index]).items()
        if name not in own[index]
    }:
        for key, value in _rows(_aggregated(table, later, ()), ())[()].items():
            number, name = key.split("_", 1)
            own[int(number)][name] = value


def _aggregated(table: ibis.Table, expressions: dict[str, Any], by: Sequence[str]) -> ibis.Table:
    """A row for each group, also where there is nothing to compute."""
    from pipelines.core.names import internal

    wanted = expressions or {internal("rows"): table.count()}
    return table.aggregate([one.name(name) for name, one in wanted.items()], by=list(by))


def _rows(query: ibis.Table, by: Sequence[str]) -> dict[tuple[Any, ...], dict[str, Any]]:
    """The other columns of a table's rows, by those that name a group."""
    return {tuple(row.pop(name) for name in by): row for row in query.to_pyarrow().to_pylist()}
