"""Comparison of the compiled form of a version with its pipeline; equal predictions are required.

The result is a finding, which appears on the review page and is saved in the version. A service
reads it there and uses the compiled form only if it gave equal predictions.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from pipelines.core.findings import Finding, Measurement, Verdict, make_finding
from pipelines.packaging.fast_predict import (
    TOLERANCE,
    Predict,
    Row,
    compiled,
    example_rows,
    interpreted,
    largest_difference,
)
from pipelines.packaging.version import read_findings

if TYPE_CHECKING:
    import pandas as pd
    from sklearn.pipeline import Pipeline

NAME = "availability.serving.compiled"
REAL_ROWS = 200
ODD_ROWS = 5  # number of these rows to repeat with missing, unknown or extreme values


def rows_of(matrix: pd.DataFrame) -> list[Row]:
    """Return the features of each row of a feature matrix by name; None for missing values."""
    whole = matrix.astype(object).where(matrix.notna(), None)
    return [dict(zip(map(str, matrix.columns), row, strict=True)) for row in whole.to_numpy()]


def fast_predict_finding(
    pipeline: Pipeline, texts: frozenset[str], matrix: pd.DataFrame
) -> Finding:
    """Return which form of a fitted pipeline will serve, why, and the largest difference.

    The finding is not blocking, because the pipeline itself can always serve, only more slowly.

    Arguments:
        pipeline: the fitted pipeline.
        texts: names of the text features; all others are numbers.
        matrix: real input rows of the pipeline, at least one, with every feature in declared order.
            At most ``REAL_ROWS`` evenly spaced rows are compared.
    """
    names = tuple(map(str, matrix.columns))
    places = np.unique(np.linspace(0, len(matrix) - 1, REAL_ROWS).astype(int))
    real = rows_of(matrix.iloc[places])
    rows = [*real, *example_rows(real[:ODD_ROWS], texts)]
    fast = compiled(pipeline, texts, names)
    if fast is None:
        return _fast_finding(
            Verdict.NO_DATA, "the pipeline itself serves: its form is none that is compiled"
        )
    return _compared(interpreted(pipeline, texts, names), fast, rows)


def recorded_verdict(folder: Path) -> Verdict | None:
    """Return the verdict at registration; ``None`` for a version without this finding.

    Arguments:
        folder: directory of the version.

    Raises:
        OSError, ValueError: the findings cannot be read.
    """
    found = [one for one in read_findings(folder) if one.name == NAME]
    return found[0].verdict if found else None


def _compared(slow: Predict, fast: Predict, rows: Sequence[Row]) -> Finding:
    try:
        gap = largest_difference(slow, fast, rows)
    except (ValueError, TypeError, KeyError, IndexError, AttributeError) as cause:
        reason = f"the pipeline itself serves: its compiled form cannot answer ({cause!r})"
        return _fast_finding(Verdict.FAIL, reason, rows=len(rows))
    if gap <= TOLERANCE:
        reason = f"the compiled form serves: {len(rows)} rows the same to the last bit"
        return _fast_finding(Verdict.PASS, f"{reason}, alone and together", gap, len(rows))
    difference = f"by up to {gap:.3g}" if math.isfinite(gap) else "where one of them is no number"
    reason = (
        f"the pipeline itself serves: its compiled form differs {difference} on {len(rows)} rows"
    )
    return _fast_finding(Verdict.FAIL, reason, gap, len(rows))


def _fast_finding(
    verdict: Verdict, reason: str, gap: float | None = None, rows: int | None = None
) -> Finding:
    return make_finding(
        NAME,
        verdict,
        reason,
        Measurement(
            value=gap if gap is not None and math.isfinite(gap) else None,
            threshold=TOLERANCE,
            rows=rows,
        ),
        blocking=False,
    )
