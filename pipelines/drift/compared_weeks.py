"""Which weeks are the reference, and which ones are compared with it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pipelines.core.weeks import WEEK
from pipelines.drift.calibration import FEWEST_WEEKS
from pipelines.drift.profile import Profile, merge_profiles, profile_like, split_profile

if TYPE_CHECKING:
    from datetime import datetime

    import pandas as pd


def compared_weeks(
    reference: Profile, rows: pd.DataFrame, since: datetime
) -> tuple[Profile, Profile]:
    """The reference without its newest weeks, and these weeks together with fresh rows.

    The reference keeps its nine oldest weeks: a calibration needs eight whole ones, and the oldest
    may be cut.

    Arguments:
        reference: of all reference rows.
        rows: fresh rows, none of which is in the reference. Columns that they lack are left out of
            the second profile.
        since: the Monday from which weeks of the reference are compared, if it keeps enough.
    """
    kept = reference.mondays[: FEWEST_WEEKS + 1]
    before, newest = split_profile(reference, max([since, *(at + WEEK for at in kept)]))
    fresh = profile_like(reference, rows)
    columns = {name: column for name, column in newest.columns.items() if name in fresh.columns}
    return before, merge_profiles(newest.model_copy(update={"columns": columns}), fresh)
