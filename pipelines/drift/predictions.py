"""The profile of a recipe's predictions, continued from one version to the next."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pipelines.drift.profile import Profile, merge_profiles, profile_like, split_profile
from pipelines.drift.version_profile import PREDICTION

if TYPE_CHECKING:
    import pandas as pd


def continued_predictions(earlier: Profile, answered: pd.DataFrame) -> Profile:
    """The profile of predictions, and of earlier ones for the weeks before them.

    A version answers few weeks that it was not trained on. With those of earlier fits, there are
    enough to calibrate on, and the difference between two fits is part of what is usual.

    Arguments:
        earlier: predictions of the same recipe, none of a row that their fit was trained on. Its
            weeks from the first row of ``answered`` on are left out.
        answered: a frame with ``decision_time`` and ``prediction``.

    Returns:
        A profile in the bins of ``earlier``.
    """
    later = profile_like(earlier, answered[["decision_time", PREDICTION]])
    return (
        merge_profiles(split_profile(earlier, later.mondays[0])[0], later)
        if later.mondays
        else earlier
    )
