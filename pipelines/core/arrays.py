"""Kinds of NumPy arrays, by the names that signatures use; shapes are said where they are used."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Integers = npt.NDArray[np.int64]
Mask = npt.NDArray[np.bool_]
Codes = npt.NDArray[np.generic]  # of whatever kind: only equal or not counts
Hashes = npt.NDArray[np.uint64]
