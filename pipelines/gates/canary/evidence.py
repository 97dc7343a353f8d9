"""The evidence of a canary or a holdback so far: the sums of its two arms.

The sums are computed as of an instant, from snapshots of the prediction log and the streams. The
same instant always gives the same sums, even after more data arrived.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import NamedTuple

from pipelines.core.findings import Finding
from pipelines.core.time import utc
from pipelines.data.reader import EventReader
from pipelines.gates.canary.arm_rows import declared_rollout, read_arms
from pipelines.gates.canary.assignment import nothing_logged
from pipelines.gates.canary.sums import WEEK, CanaryEvidence, PeriodSums, canary_sums
from pipelines.packaging.version import ModelVersion
from pipelines.predictions.assignment import Ramp
from pipelines.spec.live_metrics import LATE
from pipelines.spec.model import ModelSpec
from pipelines.spec.rollout import Rollout

_EMPTY = PeriodSums(arms=())


class CanaryInputs(NamedTuple):
    """Sums of the two arms, and findings about how the arms were served."""

    evidence: CanaryEvidence
    assignment: tuple[Finding, ...]


def canary_evidence(
    events: EventReader,
    version: ModelVersion,
    ramp: Ramp,
    as_of: datetime,
    *,
    other_version: str,
    swapped: bool = False,
    until: datetime | None = None,
) -> CanaryInputs:
    """Sum the outcomes of both arms of a ramp as of an instant.

    Entities of segments that have left the arms do not count, not even on the days before. The
    findings about how the arms were served cover all requests.

    The arguments are those of ``read_arms``.

    Returns:
        Sums by the stage in which entities entered their arm, and findings about how the arms
        were served.

    Raises:
        SpecError: the version was declared without a rollout.
    """
    canary = declared_rollout(version).canary
    arms = read_arms(
        events, version, ramp, as_of, other_version=other_version, swapped=swapped, until=until
    )
    end = min(as_of, until) if until else as_of
    elapsed = max((utc(end) - utc(ramp.began)) / timedelta(days=1), 0.0)
    if arms is None:
        nothing = CanaryEvidence(
            elapsed_days=elapsed,
            cumulative_weeks=(),
            latest_week=_EMPTY,
            to_date=_EMPTY,
            days_in_week=(),
        )
        return CanaryInputs(nothing, (nothing_logged(),))
    arms = arms.without_left()
    found = canary_sums(
        arms.entities,
        arms.outcomes if arms.overdue is None else {**arms.outcomes, LATE: arms.overdue},
        outcome=canary.outcome.name,
        elapsed_days=elapsed,
        weeks=canary.weeks,
        segments=arms.segments,
    )
    return CanaryInputs(found, (arms.served,))


def maturity_time(spec: ModelSpec, began: datetime, week: int) -> datetime:
    """Return the instant at which all metrics of the first ``week`` weeks have matured.

    Raises:
        ValueError: the declaration has no rollout.
    """
    if spec.rollout is None:
        raise ValueError("the declaration has no rollout")
    measures = spec.rollout.measures
    waits = [
        measures[metric.name].delay if metric.name in measures else spec.maturity
        for metric in spec.rollout.canary.metrics
    ]
    return began + timedelta(days=WEEK * week) + max(waits)


def first_maturity(spec: ModelSpec, rollout: Rollout, began: datetime) -> datetime:
    """Return the instant before which no outcome has matured: that of the earliest request or day.

    Arguments:
        spec: the declaration of the version under test.
        rollout: its rollout.
        began: when the arms began to be answered.
    """
    measure = rollout.measures.get(rollout.canary.outcome.name)
    return began + (spec.maturity if measure is None else timedelta(days=1) + measure.delay)
