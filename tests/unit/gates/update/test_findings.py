"""The bounds on what an interval of new points may do."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pytest
from scipy import stats

from pipelines.core.findings import Finding, Verdict
from pipelines.core.time import parse_instant
from pipelines.gates.update.findings import IntervalChange, answers_finding, labels_finding
from pipelines.spec.update import Update

Check = Callable[[Update, list[IntervalChange], list[IntervalChange]], Finding]
UPDATE = Update(every="1h")
AT = parse_instant("2026-01-05T06:00:00Z")


def interval(change: float = 0.02, error: float = 0.3, rows: int = 25) -> IntervalChange:
    return IntervalChange(start=AT, rows=rows, change=change, error=error)


def usual(many: int = 400) -> list[IntervalChange]:
    """Changes around 2 %, and errors of 25 rows around 0.3 with a standard deviation of 0.05."""
    rng = np.random.default_rng(4)
    changes = np.exp(rng.normal(math.log(0.02), 0.3, many))
    errors = rng.normal(0.3, 0.05, many)
    return [interval(float(c), float(e)) for c, e in zip(changes, errors, strict=True)]


def test_an_interval_like_those_before_it_passes() -> None:
    for check in (answers_finding, labels_finding):
        assert check(UPDATE, [interval()], usual()).verdict is Verdict.PASS


def test_an_interval_that_moves_the_answers_too_far_is_named() -> None:
    found = answers_finding(UPDATE, [interval(), interval(change=0.2)], usual())
    assert (found.verdict, found.value) == (Verdict.FAIL, 0.2)
    assert "2026-01-05T06:00:00Z" in found.reason


def test_labels_that_contradict_the_answers_are_named() -> None:
    found = labels_finding(UPDATE, [interval(), interval(error=0.7)], usual())
    assert (found.verdict, found.value) == (Verdict.FAIL, 0.7)
    assert "are its labels right?" in found.reason


def test_the_error_of_few_rows_may_deviate_further() -> None:
    assert labels_finding(UPDATE, [interval(error=0.6)], usual()).verdict is Verdict.FAIL
    assert labels_finding(UPDATE, [interval(error=0.6, rows=4)], usual()).verdict is Verdict.PASS


@pytest.mark.parametrize("check", [answers_finding, labels_finding])
def test_without_earlier_intervals_there_is_no_bound_and_no_pass(check: Check) -> None:
    assert check(UPDATE, [interval()], usual(7)).verdict is Verdict.NO_DATA


def test_a_smaller_chance_of_a_false_stop_gives_a_wider_bound() -> None:
    strict = Update(every="1h", alpha=0.0001)
    for check in (answers_finding, labels_finding):
        wide, narrow = (check(each, [interval()], usual()).threshold for each in (strict, UPDATE))
        assert wide is not None
        assert narrow is not None
        assert wide > narrow


def test_an_ordinary_week_is_stopped_as_often_as_declared() -> None:
    rng, weeks, hours = np.random.default_rng(5), 400, 168

    def drawn(many: int) -> list[IntervalChange]:
        rows = rng.integers(5, 60, many)
        errors = rng.normal(0.3, 0.25 / np.sqrt(rows))
        changes = np.exp(rng.normal(math.log(0.02), 0.3, many))
        found = zip(changes, errors, rows, strict=True)
        return [interval(float(c), float(e), int(r)) for c, e, r in found]

    update = Update(every="1h", alpha=0.1)
    stopped = 0
    for _week in range(weeks):
        past, new = drawn(4 * hours), drawn(hours)
        both = (check(update, new, past).verdict for check in (answers_finding, labels_finding))
        stopped += any(verdict is Verdict.FAIL for verdict in both)
    assert stopped <= stats.binom.ppf(0.999, weeks, update.alpha)
    assert stopped >= stats.binom.ppf(0.001, weeks, update.alpha / 4)
