"""Alarms of columns whose values differ from those of training, and of everything at once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime

from pipelines.core.time import instant_text
from pipelines.drift.calibration import AlarmRate, ColumnDrift
from pipelines.drift.multivariate import SEGMENT, SegmentShift
from pipelines.drift.version_profile import LABEL, PREDICTION
from pipelines.monitoring.concept import CONCEPT
from pipelines.monitoring.performance import WORSE
from pipelines.monitoring.quiet_windows import rate_of
from pipelines.monitoring.report import Alarm, Cause, DriftWeeks

COLUMN, UNSEEN = "drift.column", "drift.unseen"
REAL_WORLD = "drift.real_world"
SHOWN_SEGMENTS = 2


def drift_weeks(drifts: Sequence[ColumnDrift]) -> tuple[DriftWeeks, ...]:
    """What a report keeps of the drift of each column."""
    return tuple(
        DriftWeeks(
            column=drift.column,
            method=drift.method,
            threshold=drift.threshold,
            weeks=drift.weeks,
        )
        for drift in drifts
        if drift.weeks
    )


def drift_alarms(
    drifts: Sequence[ColumnDrift],
    harmless_since: datetime | None,
    segments: Sequence[SegmentShift] = (),
) -> list[Alarm]:
    """One alarm for each column that is above its threshold in the two newest weeks.

    A threshold that could not be calibrated on the reference's own weeks gives none: it allows for
    independent rows only, and would alarm all the time.

    Arguments:
        drifts: of features, label and predictions.
        harmless_since: start of the newest week whose labels are complete, if performance is as
            before; drift that began earlier costs nothing. ``None`` otherwise.
        segments: the most changed first; they explain drift of ``segment``.
    """
    changed = "".join(f"; {change}" for change in segments[:SHOWN_SEGMENTS])
    return [
        _moved(
            drift, drift.false_alarms, harmless_since, changed if drift.column == SEGMENT else ""
        )
        for drift in drifts
        if drift.alarm and drift.false_alarms is not None
    ]


def unseen_alarms(
    unseen: Mapping[str, Mapping[str, int]],
    rows: int,
    limit: float,
    since: datetime,
    quiet: Mapping[str, Sequence[float]] = {},
) -> list[Alarm]:
    """One alarm for each feature with a share of values that training did not have.

    Arguments:
        unseen: by feature, the rows of each such value in the newest week.
        rows: of that week.
        limit: share from which they are an alarm.
        since: start of that week.
        quiet: by feature, the share of each week of training that its other weeks do not have.
    """
    found = []
    for feature, values in unseen.items():
        share = sum(values.values()) / max(rows, 1)
        if share < limit:
            continue
        largest = sorted(values, key=lambda value: (-values[value], value))[:3]
        named = ", ".join(repr(value) for value in largest)
        weeks = [week >= limit for week in quiet.get(feature, ())]
        found.append(
            Alarm(
                name=f"{UNSEEN}.{feature}",
                cause=Cause.CATEGORY,
                subject=feature,
                size=share,
                unit="share",
                threshold=limit,
                since=since,
                cost=None,
                false_alarm_rate=rate_of(weeks),
                quiet_windows=len(weeks),
                evidence=f"{share:.3g} of {rows:,} points have a {feature} that training did not "
                f"have: {named}" + (" and others" if len(values) > len(largest) else ""),
            )
        )
    return found


def real_world_alarm(alarms: Sequence[Alarm]) -> Alarm | None:
    """The alarm of a change that shows everywhere; ``None`` without one.

    One column that moves may be a feed. A new price level or a new competitor moves features, the
    label or the predictions, and the losses. It is no more often false than its rarest part.

    Arguments:
        alarms: of the report.
    """
    moved = [alarm for alarm in alarms if alarm.name.startswith(f"{COLUMN}.")]
    outcomes = [alarm for alarm in moved if alarm.subject in (LABEL, PREDICTION)]
    features = [alarm for alarm in moved if alarm not in outcomes]
    losses = [alarm for alarm in alarms if alarm.name in (CONCEPT, WORSE)]
    if not (features and outcomes and losses):
        return None
    parts = [*features, *outcomes, *losses]
    worst = max(losses, key=lambda alarm: alarm.cost or 0.0)
    rates = [alarm for alarm in parts if alarm.false_alarm_rate is not None]
    rarest = min(rates, key=lambda alarm: alarm.false_alarm_rate or 0.0, default=None)
    subjects = ", ".join(dict.fromkeys(alarm.subject for alarm in parts))
    return Alarm(
        name=REAL_WORLD,
        cause=Cause.MODEL,
        subject="real world",
        size=worst.size,
        unit=worst.unit,
        threshold=worst.threshold,
        since=min((alarm.since for alarm in parts if alarm.since is not None), default=None),
        cost=worst.cost,
        false_alarm_rate=None if rarest is None else rarest.false_alarm_rate,
        quiet_windows=0 if rarest is None else rarest.quiet_windows,
        evidence=f"{subjects} changed at once: the world has changed, not one feed",
        further=tuple(alarm.name for alarm in parts),
    )


def _moved(
    drift: ColumnDrift, rate: AlarmRate, harmless_since: datetime | None, more: str
) -> Alarm:
    since = drift.since
    harmless = since is not None and harmless_since is not None and since < harmless_since
    return Alarm(
        name=f"{COLUMN}.{drift.column}",
        cause=Cause.DRIFT,
        subject=drift.column,
        size=drift.distance,
        unit=drift.method,
        threshold=drift.threshold,
        since=since,
        cost=0.0 if harmless else None,
        false_alarm_rate=rate.alarms / rate.weeks,
        quiet_windows=rate.weeks,
        evidence=f"{drift.column}: {drift.method.replace('_', ' ')} {drift.distance:.3g} from "
        f"training in the week of {instant_text(drift.week)[:10]}, alarm from "
        f"{drift.threshold:.3g}{more}",
    )
