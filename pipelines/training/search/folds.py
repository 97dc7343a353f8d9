"""Time-ordered folds within a training window, with the label's gap before each validation part."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

import numpy as np

from pipelines.core.arrays import Integers
from pipelines.core.errors import DataError

if TYPE_CHECKING:
    import pandas as pd

FEWEST_ROWS = 30  # in the training and in the validation part of each fold
Folds = list[tuple[Integers, Integers]]


def time_folds(times: pd.Series, maturity: timedelta, folds: int) -> Folds:
    """Positions of the rows of each fold's training and validation part.

    The time from the first to the last row is divided into ``folds + 1`` equal parts. Each part but
    the first validates once. What trains is every earlier row whose label had matured when the part
    begins, as in the split of a retraining.

    Arguments:
        times: decision times in their order, shape (n,).
        maturity: time from a decision until its label is known.
        folds: number of folds, at least 1.

    Raises:
        DataError: a part has fewer than ``FEWEST_ROWS`` rows.
    """
    instants = times.to_numpy("datetime64[us]")
    first, last = instants.min(), instants.max()
    edges = first + (last - first) / (folds + 1) * np.arange(folds + 1)
    ends = [*edges[2:], last + np.timedelta64(1, "us")]
    found = []
    for start, end in zip(edges[1:], ends, strict=True):
        train = np.flatnonzero(instants + np.timedelta64(maturity) <= start)
        validate = np.flatnonzero((instants >= start) & (instants < end))
        if min(len(train), len(validate)) < FEWEST_ROWS:
            raise DataError(
                "a fold of the search has too few rows",
                where=f"estimator.search.folds: {folds}",
                got=f"{len(train)} rows to train on and {len(validate)} to validate on",
                wanted=f"at least {FEWEST_ROWS} of each, with the label's {maturity} between them",
                hint="declare fewer folds, or lengthen split.train",
            )
        found.append((train, validate))
    return found


def subsampled(folds: Folds, step: int, seed: int) -> Folds:
    """The folds with one of ``step`` training rows, in their order; validation rows stay.

    The rows are drawn, because every third row in the order of time may belong to the same
    entities. The rows of a larger step are among those of a smaller one.

    Arguments:
        folds: of ``time_folds``.
        step: at least 1.
        seed: of the draw.

    Raises:
        DataError: fewer than ``FEWEST_ROWS`` rows remain to train on.
    """
    found = []
    for train, validate in folds:
        order = np.random.default_rng(seed).permutation(train)
        left = np.sort(order[: len(train) // step])
        if len(left) < FEWEST_ROWS:
            raise DataError(
                "a fold of the search has too few rows for its first round",
                where=f"estimator.search.halving, with folds: {len(folds)}",
                got=f"{len(left)} rows to train on, one of {step}",
                wanted=f"at least {FEWEST_ROWS}",
                hint="remove halving, or declare fewer combinations or fewer folds",
            )
        found.append((left, validate))
    return found
