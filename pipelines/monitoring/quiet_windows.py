"""How often a rule would have raised an alarm in stable windows of the model's own history."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

FEWEST_WINDOWS = 3  # for a rate


def rate_of(alarms: Sequence[bool]) -> float | None:
    """The share of quiet windows that would have been alarms; ``None`` with fewer than three.

    Arguments:
        alarms: of each window, whether the rule calls it an alarm by what the others show.

    >>> rate_of([False, True, False, False]), rate_of([False, False])
    (0.25, None)
    """
    return float(np.mean(alarms)) if len(alarms) >= FEWEST_WINDOWS else None
