"""Fresh points compared with the profile that the champion keeps of its training."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING

from pipelines.core.weeks import WEEK, monday_from
from pipelines.packaging.version import ModelVersion, read_profile
from pipelines.training.split import decision_times

if TYPE_CHECKING:
    import pandas as pd

    from pipelines.core.arrays import Mask
    from pipelines.drift.calibration import ColumnDrift
    from pipelines.drift.multivariate import SegmentShift
    from pipelines.monitoring.metrics.predicted_rows import PredictedRows
    from pipelines.monitoring.report import LabelShare
    from pipelines.spec.monitor import Monitoring
    from pipelines.training.split import SplitPlan

ALARMS_A_YEAR = 1.0  # weeks above a threshold without drift, in a whole report
TRAINED_WEEKS = 4  # of the reference that count as fresh, at most: the rest keeps its seasons
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
        quiet_unseen: by feature in ``unseen``, the share of each week of training that has a text
            that its other weeks do not have.
    """

    columns: tuple[ColumnDrift, ...]
    unseen: dict[str, dict[str, int]]
    rows: int
    since: datetime
    segments: tuple[SegmentShift, ...] = ()
    label_shares: tuple[LabelShare, ...] = ()
    quiet_unseen: Mapping[str, Sequence[float]] = field(default_factory=dict)


def fresh_drift(
    champion: ModelVersion,
    fresh: pd.DataFrame,
    served: PredictedRows,
    settings: Monitoring,
    as_of: datetime,
) -> FreshDrift | None:
    """Compare fresh points with the champion's profile.

    The newest weeks of the recent window, at most four of them, count as fresh as long as enough
    are left, though a refit was trained on them and the reference of predictions has them.
    Otherwise a champion that is refreshed every week would never have the two weeks of fresh rows
    that an alarm needs.

    Arguments:
        champion: has the profile.
        fresh: decision points after the rows that it was fitted on: features, ``label`` where it
            has matured, and ``prediction``.
        served: those of them that were decided after everything that it was trained on.
        settings: those of today. An autoencoder that the profile lacks is not there.
        as_of: the instant of the report.

    Returns:
        ``None`` for a version without a profile, and without fresh points.
    """
    from pipelines.drift.calibration import column_drift, unseen_by_week
    from pipelines.drift.compared_weeks import compared_weeks
    from pipelines.drift.multivariate import ERRORS, SEGMENT, joint_rows, segment_changes
    from pipelines.drift.profile import Profile, unseen_texts
    from pipelines.drift.version_profile import LABEL, PREDICTION
    from pipelines.monitoring.label_shares import label_shares

    reference = read_profile(champion.folder)
    if reference is None or not len(fresh):
        return None

    begin = _begin(champion.plan_of_fit, settings, as_of)

    def drift(profile: Profile, rows: pd.DataFrame) -> tuple[ColumnDrift, ...]:
        method, rate = settings.drift.method, ALARMS_A_YEAR / PARTS
        return column_drift(*compared_weeks(profile, rows, begin), method, alarms_a_year=rate)

    joint: tuple[ColumnDrift, ...] = ()
    segments: tuple[SegmentShift, ...] = ()
    if reference.space is not None and reference.joint is not None:
        judged = [ERRORS[name] for name in settings.drift.reconstruction]
        rows = joint_rows(reference.space, fresh).filter(["decision_time", *judged, SEGMENT])
        joint = drift(reference.joint, rows)
        segments = segment_changes(*compared_weeks(reference.joint, rows, begin)) if joint else ()
    since = as_of - WEEK
    newest = fresh[_lately(fresh, since)]
    unseen = unseen_texts(reference.training, newest[list(champion.spec.input_names)])
    inputs = fresh[["decision_time", *champion.spec.input_names]]
    known_until = champion.plan_of_fit.recent.end  # the profile has predictions before it
    answered = fresh[_lately(fresh, known_until)]
    return FreshDrift(
        columns=(
            *drift(reference.training, inputs),
            *drift(reference.training, fresh.loc[fresh[LABEL].notna(), ["decision_time", LABEL]]),
            *drift(reference.predictions, answered[["decision_time", PREDICTION]]),
            *joint,
        ),
        unseen=unseen,
        rows=len(newest),
        since=since,
        segments=segments,
        label_shares=label_shares(
            reference.training,
            champion.spec.classes,
            served.where(_lately(served.rows, since)).predictions,
        ),
        quiet_unseen={name: unseen_by_week(reference.training.columns[name]) for name in unseen},
    )


def _begin(plan: SplitPlan, settings: Monitoring, as_of: datetime) -> datetime:
    """The Monday from which weeks of the reference count as fresh."""
    compared = as_of - plan.maturity - settings.weeks * WEEK
    newest = plan.recent.end - TRAINED_WEEKS * WEEK
    return monday_from(max(plan.recent.start, newest, compared))


def _lately(rows: pd.DataFrame, since: datetime) -> Mask:
    return (decision_times(rows) >= since.replace(tzinfo=None)).to_numpy(bool)
