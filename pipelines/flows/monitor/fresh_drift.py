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

    from pipelines.core.arrays import Mask
    from pipelines.drift.calibration import ColumnDrift
    from pipelines.drift.multivariate import SegmentChange
    from pipelines.monitoring.metrics.predicted_rows import PredictedRows
    from pipelines.monitoring.report import LabelShare
    from pipelines.spec.monitor import Drift

ALARMS_A_YEAR = 1.0  # weeks above a threshold without drift, in a whole report
PARTS = 4  # features, label, predictions, and all numbers together


@dataclass(frozen=True)
class FreshDrift:
    """How fresh points differ from training.

    Arguments:
        columns: of features, label and predictions.
        unseen: by feature, the texts of the newest week that training did not have, with their
            rows.
        rows: of the newest week.
        since: start of the newest week.
        segments: the segments whose share of the points has changed most; none: too few numbers.
        label_shares: of a classifier, estimated on the newest week.
    """

    columns: tuple[ColumnDrift, ...]
    unseen: dict[str, dict[str, int]]
    rows: int
    since: datetime
    segments: tuple[SegmentChange, ...] = ()
    label_shares: tuple[LabelShare, ...] = ()


def fresh_drift(
    champion: ModelVersion,
    fresh: pd.DataFrame,
    served: PredictedRows,
    settings: Drift,
    as_of: datetime,
) -> FreshDrift | None:
    """Compare fresh points with the champion's profile.

    Arguments:
        champion: has the profile.
        fresh: decision points after its training rows: features, ``label`` where it has matured,
            and ``prediction``.
        served: those of them that were decided after everything that it was trained on.
        settings: of monitoring today. An autoencoder that the profile lacks is not there.
        as_of: the instant of the report.

    Returns:
        ``None`` for a version without a profile, and without fresh points.
    """
    from pipelines.drift.calibration import column_drift
    from pipelines.drift.multivariate import (
        AUTOENCODER_ERROR,
        ERROR,
        SEGMENT,
        joint_rows,
        segment_changes,
    )
    from pipelines.drift.profile import Profile, profile_like, unseen_texts
    from pipelines.drift.version_profile import LABEL, PREDICTION
    from pipelines.monitoring.label_shares import label_shares

    reference = read_profile(champion.folder)
    if reference is None or not len(fresh):
        return None

    def columns_drift(profile: Profile, counted: Profile) -> tuple[ColumnDrift, ...]:
        rate = ALARMS_A_YEAR / PARTS
        return column_drift(profile, counted, settings.method, alarms_a_year=rate)

    def drift(profile: Profile, rows: pd.DataFrame) -> tuple[ColumnDrift, ...]:
        return columns_drift(profile, profile_like(profile, rows)) if len(rows) else ()

    joint: tuple[ColumnDrift, ...] = ()
    segments: tuple[SegmentChange, ...] = ()
    if reference.space is not None and reference.joint is not None:
        errors = {"pca": ERROR, "autoencoder": AUTOENCODER_ERROR}
        judged = ["decision_time", *(errors[name] for name in settings.reconstruction), SEGMENT]
        rows = joint_rows(reference.space, fresh)
        together = profile_like(reference.joint, rows[[name for name in rows if name in judged]])
        joint = columns_drift(reference.joint, together)
        segments = segment_changes(reference.joint, together)
    since = as_of - WEEK
    newest = fresh[_lately(fresh, since)]
    inputs = fresh[["decision_time", *champion.spec.input_names]]
    return FreshDrift(
        columns=(
            *drift(reference.training, inputs),
            *drift(reference.training, fresh.loc[fresh[LABEL].notna(), ["decision_time", LABEL]]),
            *drift(reference.predictions, fresh[["decision_time", PREDICTION]]),
            *joint,
        ),
        unseen=unseen_texts(reference.training, newest[list(champion.spec.input_names)]),
        rows=len(newest),
        since=since,
        segments=segments,
        label_shares=label_shares(
            reference.training,
            champion.spec.classes,
            served.where(_lately(served.rows, since)).predictions,
        ),
    )


def _lately(rows: pd.DataFrame, since: datetime) -> Mask:
    return (decision_times(rows) >= since.replace(tzinfo=None)).to_numpy(bool)
