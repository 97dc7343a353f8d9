"""Type aliases for NumPy arrays. The docstrings that use them give the shapes."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Integers = npt.NDArray[np.int64]
Mask = npt.NDArray[np.bool_]
Codes = npt.NDArray[np.generic]  # any dtype: codes are only compared for equality
Hashes = npt.NDArray[np.uint64]
