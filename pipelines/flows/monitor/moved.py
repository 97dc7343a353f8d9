"""Fresh points compared with the profile that the champion keeps of its training."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from pipelines.core.weeks import WEEK
from pipelines.packaging.version import ModelVersion, read_profile
from pipelines.training.split import decision_times

if TYPE_CHECKING:
    import pandas as pd

    from pipelines.drift.calibration import ColumnDrift


@dataclass(frozen=True)
class Moved:
    """How fresh points differ from training.

    Arguments:
        drifts: of features, label and predictions.
        unseen: by feature, the texts of the newest week that training did not have, with their
            rows.
        rows: of the newest week.
        since: start of the newest week.
    """

    drifts: tuple[ColumnDrift, ...]
    unseen: dict[str, dict[str, int]]
    rows: int
    since: datetime


def find_moved(champion: ModelVersion, fresh: pd.DataFrame, as_of: datetime) -> Moved | None:
    """Compare fresh points with the champion's profile.

    Arguments:
        champion: has the profile.
        fresh: decision points after its training rows: features, ``label`` where it has matured,
            and ``prediction``.
        as_of: the instant of the report.

    Returns:
        ``None`` for a version without a profile, and without fresh points.
    """
    from pipelines.drift.calibration import column_drift
    from pipelines.drift.multivariate import joint_rows
    from pipelines.drift.profile import Profile, profile_like, unseen_texts
    from pipelines.drift.version_profile import LABEL, PREDICTION

    reference = read_profile(champion.folder)
    if reference is None or not len(fresh):
        return None

    def drift(profile: Profile, rows: pd.DataFrame) -> tuple[ColumnDrift, ...]:
        return column_drift(profile, profile_like(profile, rows)) if len(rows) else ()

    joint: tuple[ColumnDrift, ...] = ()
    if reference.space is not None and reference.joint is not None:
        joint = drift(reference.joint, joint_rows(reference.space, fresh))
    since = as_of - WEEK
    newest = fresh[decision_times(fresh) >= since.replace(tzinfo=None)]
    inputs = fresh[["decision_time", *champion.spec.input_names]]
    return Moved(
        drifts=(
            *drift(reference.training, inputs),
            *drift(reference.training, fresh.loc[fresh[LABEL].notna(), ["decision_time", LABEL]]),
            *drift(reference.predictions, fresh[["decision_time", PREDICTION]]),
            *joint,
        ),
        unseen=unseen_texts(reference.training, newest[list(champion.spec.input_names)]),
        rows=len(newest),
        since=since,
    )
