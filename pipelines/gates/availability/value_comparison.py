"""Compare a served value with the computed one, and show values in messages."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

TOLERANCE = 1e-9  # relative: a number may have been written as text and read back


def is_missing(value: Any) -> bool:
    """Whether a value is missing, in any library's form."""
    return value is None or value is pd.NA or (isinstance(value, float) and np.isnan(value))


def values_equal(served: Any, computed: Any) -> bool:
    """Equal to a billionth; missing on both sides is equal."""
    if is_missing(served) or is_missing(computed):
        return is_missing(served) and is_missing(computed)
    if isinstance(served, str) or isinstance(computed, str):
        return str(served) == str(computed)
    return bool(abs(served - computed) <= TOLERANCE * max(abs(served), abs(computed)))


def as_number(value: Any) -> float | None:
    """The value as a number, if it is one."""
    if is_missing(value) or isinstance(value, str):
        return None
    return float(value)


def value_text(value: Any) -> str:
    """The value for a sentence."""
    if is_missing(value):
        return "nothing"
    return f"{value:.6g}" if isinstance(value, float) else str(value)
