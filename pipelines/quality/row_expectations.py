"""The part of a suite that can be checked row by row, for few rows."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from pipelines.quality.suite import Suite

_OF_ROWS = (
    "expect_column_values_",
    "expect_column_pair_values_",
    "expect_column_to_exist",
    "expect_compound_columns_",
    "expect_multicolumn_",
    "expect_select_column_values_",
)
_ERRORS = 3  # standard errors of a share that few rows may fall short by


def row_expectations(suite: Suite, default: str, rows: Mapping[str, int]) -> dict[str, Any]:
    """The expectations of a suite that are about single rows, of streams that have any.

    The others, such as a volume or a median, describe a stretch of rows as long as the one that the
    suite was made for. A share (``mostly``) is lowered by three binomial standard errors of the
    number of rows.

    Arguments:
        suite: with expectations of any streams.
        default: stream of expectations that name none.
        rows: number of rows of each stream.
    """
    kept = []
    for expectation in suite["expectations"]:
        many = rows.get((expectation.get("meta") or {}).get("stream", default), 0)
        if many and expectation["type"].startswith(_OF_ROWS):
            kept.append(_allowing_for(expectation, many))
    return {**suite, "expectations": kept}


def _allowing_for(expectation: Mapping[str, Any], rows: int) -> Mapping[str, Any]:
    mostly = expectation["kwargs"].get("mostly")
    if mostly is None:
        return expectation
    error = math.sqrt(mostly * (1 - mostly) / rows)
    return {
        **expectation,
        "kwargs": {**expectation["kwargs"], "mostly": max(0.0, mostly - _ERRORS * error)},
    }
