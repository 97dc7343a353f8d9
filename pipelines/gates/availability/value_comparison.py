"""Comparison of served and computed values, and their text in messages."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

TOLERANCE = 1e-9  # relative tolerance: a number may have been written as text and read back


def is_missing(value: Any) -> bool:
    """Whether a value is missing: None, NaN or ``pandas.NA``."""
    return value is None or value is pd.NA or (isinstance(value, float) and np.isnan(value))


def values_equal(served: Any, computed: Any) -> bool:
    """Whether two values are equal, within ``TOLERANCE`` for numbers; missing equals missing."""
    if is_missing(served) or is_missing(computed):
        return is_missing(served) and is_missing(computed)
    if isinstance(served, str) or isinstance(computed, str):
        return str(served) == str(computed)
    return bool(abs(served - computed) <= TOLERANCE * max(abs(served), abs(computed)))


def as_number(value: Any) -> float | None:
    """Return the value as a number; None for text and missing values."""
    if is_missing(value) or isinstance(value, str):
        return None
    return float(value)


def value_text(value: Any) -> str:
    """Return the text of a value for a message."""
    if is_missing(value):
        return "nothing"
    return f"{value:.6g}" if isinstance(value, float) else str(value)
