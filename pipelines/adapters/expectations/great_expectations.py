"""Runs a whole suite in Great Expectations, on a pandas frame of bounded size."""

from __future__ import annotations

import logging
import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

logging.getLogger("great_expectations").setLevel(logging.WARNING)

import great_expectations as gx  # noqa: E402
import numpy as np  # noqa: E402
import pandas as pd  # noqa: E402
import pyarrow as pa  # noqa: E402
from great_expectations.data_context.types.base import ProgressBarsConfig  # noqa: E402
from great_expectations.expectations.expectation import (  # noqa: E402
    ColumnMapExpectation,
    ColumnPairMapExpectation,
    MulticolumnMapExpectation,
)
from great_expectations.expectations.registry import get_expectation_impl  # noqa: E402

from pipelines.adapters.expectations.validation import expectation_mistakes  # noqa: E402
from pipelines.quality.suite import ExpectationResult, Suite  # noqa: E402
from pipelines.quality.times import naive_bounds  # noqa: E402

if TYPE_CHECKING:
    import ibis

logging.getLogger("great_expectations").setLevel(logging.WARNING)  # the import resets it

_ROW_WISE = (ColumnMapExpectation, ColumnPairMapExpectation, MulticolumnMapExpectation)
_TEXT = pd.StringDtype("python", na_value=np.nan)
_NOT_BY_SAMPLE = {"unique", "increasing", "decreasing", "outliers", "z_scores"}


class GreatExpectationsRunner:
    """Runs all expectations in Great Expectations on pandas.

    Arguments:
        rows: largest number of rows that is loaded in full. On a larger table, row-wise
            expectations run on a seeded sample of about that many rows and their results note it;
            all others are reported as broken.
        seed: seed of the sample.
    """

    def __init__(self, rows: int = 1_000_000, seed: int = 0) -> None:
        self._rows, self._seed = rows, seed

    def run(self, table: ibis.Table, suite: Suite) -> tuple[ExpectationResult, ...]:
        """One result per expectation, in the suite's order."""
        expectations = suite["expectations"]
        if not expectations:
            return ()
        total = int(table.count().execute())
        sampled = total > self._rows
        results: dict[int, ExpectationResult] = {}
        required: list[dict[str, Any]] = []
        timestamps = {name for name, kind in table.schema().items() if kind.is_timestamp()}
        for index, expectation in enumerate(expectations):
            name = expectation["type"]
            broken = "; ".join(expectation_mistakes(expectation))
            if not broken and sampled and not _row_wise(name):
                broken = (
                    f"{total:,} rows are too many for this check in memory, and a sample of "
                    f"{self._rows:,} cannot answer it"
                )
            if broken:
                results[index] = ExpectationResult(
                    index=index, type=name, success=False, broken=broken
                )
                continue
            required.append(
                {
                    "type": name,
                    "kwargs": naive_bounds(expectation.get("kwargs") or {}, timestamps),
                    "severity": expectation.get("severity") or "critical",
                    "meta": {**(expectation.get("meta") or {}), "_index": index},
                }
            )
        if required:
            frame = self._frame(table, required, total if sampled else None)
            note = f"in a sample of {len(frame):,} of {total:,} rows" if sampled else ""
            results |= {
                result.index: result.model_copy(update={"note": note})
                for result in _validate(frame, required)
            }
        return tuple(
            results.get(index)
            or ExpectationResult(
                index=index,
                type=expectation["type"],
                success=False,
                broken="Great Expectations returned no result for it",
            )
            for index, expectation in enumerate(expectations)
        )

    def _frame(
        self, table: ibis.Table, expectations: list[dict[str, Any]], sample_of: int | None
    ) -> pd.DataFrame:
        """The columns that the expectations name; all others are there without their values."""
        names = tuple(table.columns)
        table = table.select(_named(expectations, names) or names[:1])
        if sample_of is not None:
            table = table.sample(self._rows / sample_of, method="row", seed=self._seed)
        read = table.to_pyarrow()
        columns = {name: _series(read[name]) for name in read.column_names}
        return pd.DataFrame(columns).reindex(columns=list(names))


def _series(column: pa.ChunkedArray[Any]) -> pd.Series:
    """A column whose values do not change their type if one is missing.

    pandas would turn integers into floats, which have other texts and lose digits.
    """
    if pa.types.is_string(column.type):
        return column.to_pandas().astype(_TEXT)
    if column.null_count and (pa.types.is_integer(column.type) or pa.types.is_boolean(column.type)):
        scalar: Any = column.type.to_pandas_dtype()
        values = [np.nan if value is None else scalar(value) for value in column.to_pylist()]
        return pd.Series(values, dtype=object)
    return column.to_pandas()


def _named(expectations: list[dict[str, Any]], names: tuple[str, ...]) -> list[str]:
    """The columns whose names occur in an argument; a row condition names them within a text."""
    texts = [text for one in expectations for text in _texts(one["kwargs"])]
    return [name for name in names if any(name in text for text in texts)]


def _texts(value: Any) -> list[str]:
    if isinstance(value, Mapping):
        return _texts([*value, *value.values()])
    if isinstance(value, list | tuple | set):
        return [text for part in value for text in _texts(part)]
    return [value] if isinstance(value, str) else []


def _row_wise(name: str) -> bool:
    return issubclass(get_expectation_impl(name), _ROW_WISE) and not any(
        part in name for part in _NOT_BY_SAMPLE
    )


def _validate(frame: pd.DataFrame, required: list[dict[str, Any]]) -> list[ExpectationResult]:
    context = gx.get_context(mode="ephemeral")
    context.variables.progress_bars = ProgressBarsConfig(globally=False)
    batch = (
        context.data_sources.add_pandas("frame")
        .add_dataframe_asset("rows")
        .add_batch_definition_whole_dataframe("all")
        .get_batch({"dataframe": frame})
    )
    suite = gx.ExpectationSuite(name="run", expectations=required)
    with pd.option_context("mode.string_storage", "python"):  # Arrow would match with RE2
        results = batch.validate(suite, result_format="BASIC").results
    return [_result(found) for found in results]


def _result(found: Any) -> ExpectationResult:
    config, result = found.expectation_config, found.result or {}
    broken = _exception(found.exception_info)
    return ExpectationResult(
        index=config.meta["_index"],
        type=config.type,
        success=bool(found.success) and broken is None,
        broken=broken,
        observed=plain(result.get("observed_value")),
        element_count=result.get("element_count"),
        missing_count=result.get("missing_count"),
        unexpected_count=result.get("unexpected_count"),
    )


def _exception(info: Mapping[str, Any] | None) -> str | None:
    """The message of an exception in an expectation; ``info`` is flat or has a part per metric."""
    if not info:
        return None
    for part in [info] if "raised_exception" in info else info.values():
        if isinstance(part, Mapping) and part.get("raised_exception"):
            return str(part.get("exception_message") or "an exception without a message")
    return None


def plain(value: Any) -> Any:
    """Convert an observed value to JSON types: times to ISO 8601, undefined values to ``None``."""
    if isinstance(value, Mapping):
        return {str(key): plain(part) for key, part in value.items()}
    if isinstance(value, list | tuple):
        return [plain(part) for part in value]
    if value is None or value is pd.NaT:
        return None
    if isinstance(value, pd.Timestamp):
        return value.isoformat()
    if hasattr(value, "item"):
        value = value.item()
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value if isinstance(value, str | int | float | bool) else str(value)
