"""Findings of a suite on fresh data: one per expectation."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Literal

from pipelines.core.findings import Finding, Measurement, Verdict, make_finding
from pipelines.core.time import Window
from pipelines.gates.contract.answers import NO_ROWS, Answers, StreamAnswer, answers
from pipelines.gates.contract.messages import sentence
from pipelines.quality.suite import (
    ExpectationResult,
    Suite,
    SuiteRunner,
    columns_of,
    streams_of,
)

if TYPE_CHECKING:
    import ibis

Source = Literal["suite", "envelope"]
EMPTY_SUITE = "contract.suite.empty"

CHECKS = {
    "expect_table_row_count_to_be_between": "volume",
    "expect_table_row_count_to_equal": "volume",
    "expect_column_to_exist": "present",
    "expect_table_columns_to_match_set": "columns",
    "expect_column_values_to_be_between": "range",
    "expect_column_values_to_not_be_null": "missing",
    "expect_column_values_to_be_in_set": "categories",
    "expect_column_values_to_not_be_in_set": "forbidden",
    "expect_column_values_to_be_unique": "unique",
    "expect_compound_columns_to_be_unique": "unique",
    "expect_column_values_to_match_regex": "pattern",
    "expect_column_quantile_values_to_be_between": "quantiles",
    "expect_column_unique_value_count_to_be_between": "distinct",
    "expect_column_proportion_of_unique_values_to_be_between": "distinct_share",
    "expect_column_pair_values_a_to_be_greater_than_b": "order",
    "expect_column_values_to_be_of_type": "type",
}


def contract_findings(
    suites: Mapping[Source, Suite],
    tables: Mapping[str, ibis.Table],
    runner: SuiteRunner,
    default_stream: str | None = None,
    stored: Mapping[str, ibis.Table] | None = None,
) -> list[Finding]:
    """One finding per expectation of each suite over the fresh rows of each stream.

    The expectations of all suites about a stream are run together.

    Arguments:
        suites: expectations of any streams, each with ``meta.stream``. The key says which of the
            two contracts a suite is, for the findings' names.
        tables: the fresh rows of every stream, canonical.
        runner: answers the expectations.
        default_stream: of expectations that name none; needed only when there are such.
        stored: all rows of every stream, at least one each; they date the newest of a stream
            without fresh rows.

    Returns:
        findings in the order of the suites, and in each suite's order by stream. A stream without
        fresh rows is ``no_data``; an expectation that could not be run is ``inconclusive``; neither
        is a pass. An expectation with severity ``warning`` or ``info`` is shown and does not block.
    """
    default = default_stream or next(iter(tables), "")
    parts = {source: streams_of(suite, default) for source, suite in suites.items()}
    answered = answers([*parts.values()], tables, runner)
    return [
        finding
        for (source, own), found in zip(parts.items(), answered, strict=True)
        for finding in findings_of(own, found, source, stored or {})
    ]


def findings_of(
    parts: Mapping[str, Suite],
    answered: Answers,
    source: Source,
    stored: Mapping[str, ibis.Table],
) -> list[Finding]:
    """The findings of ``contract_findings`` from what the streams have answered.

    Arguments:
        parts: the suite of each stream.
        answered: the streams' answers.
        source: as in ``contract_findings``.
        stored: as in ``contract_findings``; may be empty.
    """
    found: list[Finding] = []
    names: dict[str, int] = {}
    for stream, part in parts.items():
        answer = answered.get(stream)
        rows, results = answer or NO_ROWS
        medians = _medians(part, results or ())
        absence = "" if results is not None else _absence(stream, answer, stored.get(stream))
        for index, expectation in enumerate(part["expectations"]):
            name = _name(expectation, stream, source)
            names[name] = names.get(name, 0) + 1
            if names[name] > 1:
                name = f"{name}.{names[name]}"
            if results is None:
                found.append(_absent(name, absence, expectation))
            else:
                found.append(_finding(name, rows, expectation, results[index], medians))
    return found


def empty_suite(suite: Suite) -> list[Finding]:
    """The finding of a hand-written suite in which nothing can stop a run; else none."""
    if any(map(_blocking, suite["expectations"])):
        return []
    return [
        make_finding(
            EMPTY_SUITE,
            Verdict.NO_DATA,
            "the hand-written suite has no expectation of severity critical, so fresh data would "
            "pass unchecked: declare one, such as expect_column_values_to_not_be_null of a key",
            Measurement(rows=0),
        )
    ]


def _name(expectation: Mapping[str, Any], stream: str, source: Source) -> str:
    meta, kwargs, kind = expectation.get("meta") or {}, expectation["kwargs"], expectation["type"]
    columns = columns_of(kwargs) if "column_set" not in kwargs else []
    column = meta.get("column") or ("-".join(columns) if columns else "table")
    short = re.sub(r"^expect_(column|table|multicolumn)_(values_)?|_to_be_between$", "", kind)
    check = meta.get("check") or CHECKS.get(kind) or short
    place = ".".join(re.sub(r"[^A-Za-z0-9_\-]", "_", part) for part in (stream, column, check))
    return f"contract.{source}.{place}"


def _blocking(expectation: Mapping[str, Any]) -> bool:
    return (expectation.get("severity") or "critical") == "critical"


def _absence(stream: str, answer: StreamAnswer | None, stored: ibis.Table | None) -> str:
    """Why a stream has nothing to check, the same sentence for all its checks."""
    if answer is None:
        return f"{stream} was not read, so its checks have no data"
    since = "" if stored is None else f" since {stored.known_time.max().execute():%Y-%m-%d}"
    return f"{stream} has no fresh rows{since}: its feed seems to have stopped"


def _absent(name: str, absence: str, expectation: Mapping[str, Any]) -> Finding:
    return make_finding(
        name, Verdict.NO_DATA, absence, Measurement(rows=0), blocking=_blocking(expectation)
    )


def _finding(
    name: str,
    rows: int,
    expectation: Mapping[str, Any],
    result: ExpectationResult,
    medians: Mapping[str, tuple[float, float]],
) -> Finding:
    if result.broken is not None:
        verdict = Verdict.INCONCLUSIVE
        reason = f"the check could not be run ({_one_line(result.broken)})"
        return make_finding(
            name, verdict, reason, Measurement(rows=rows), blocking=_blocking(expectation)
        )
    value, threshold, unit = _measured(expectation, result)
    considered = rows
    if result.element_count is not None:
        considered = result.element_count - (result.missing_count or 0)
    return make_finding(
        name,
        Verdict.PASS if result.success else Verdict.FAIL,
        sentence(name, expectation, result, considered, medians),
        Measurement(value=value, threshold=threshold, unit=unit, rows=considered),
        blocking=_blocking(expectation),
    )


def previously_rejected(name: str, window: Window, failed: str, *, excluded: bool) -> Finding:
    """Data that the contract rejected when it was fresh, and that training would read now.

    Arguments:
        name: of the finding.
        window: when the data became known.
        failed: name of the finding that rejected it.
        excluded: whether training leaves the window out.
    """
    return make_finding(
        name,
        Verdict.PASS if excluded else Verdict.FAIL,
        f"{window} is excluded"
        if excluded
        else f"the contract rejected what became known in {window} ({failed}), and training or "
        f"evaluation would read it: exclude the window with `gauntlet mark-broken` or under "
        f"split.exclude, or waive {name} with a reason",
    )


def _measured(
    expectation: Mapping[str, Any], result: ExpectationResult
) -> tuple[float | None, float | None, str]:
    """The value that was compared, the nearer bound, and the unit."""
    kwargs = expectation["kwargs"]
    if result.share is not None:
        return result.share, float(kwargs.get("mostly", 1.0)), "share"
    observed = result.observed
    if isinstance(observed, bool) or not isinstance(observed, int | float):
        return None, None, ""
    bounds = [kwargs.get("min_value"), kwargs.get("max_value"), kwargs.get("value")]
    limits = [float(bound) for bound in bounds if isinstance(bound, int | float)]
    nearest = min(limits, key=lambda bound: abs(bound - observed), default=None)
    unit = "rows" if "row_count" in expectation["type"] else ""
    return float(observed), nearest, unit


def _medians(
    suite: Suite, results: tuple[ExpectationResult, ...]
) -> dict[str, tuple[float, float]]:
    """By column: the fresh median and the training one, from the envelope's own median checks."""
    found: dict[str, tuple[float, float]] = {}
    for expectation, result in zip(suite["expectations"], results, strict=False):
        then = (expectation.get("meta") or {}).get("typical")
        if expectation["type"] != "expect_column_median_to_be_between":
            continue
        if isinstance(result.observed, int | float) and isinstance(then, int | float):
            found[expectation["kwargs"]["column"]] = float(result.observed), float(then)
    return found


def _one_line(text: str) -> str:
    return " ".join(text.split())[:200]
