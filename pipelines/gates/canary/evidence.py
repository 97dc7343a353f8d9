"""The evidence of a canary or a holdback so far: the sums of its two arms.

The sums are computed as of an instant, from snapshots of the prediction log and the streams. The
same instant always gives the same sums, even after more data arrived.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import NamedTuple

import numpy as np

from pipelines.core.errors import SpecError
from pipelines.core.findings import Finding
from pipelines.core.time import Window, utc
from pipelines.data.reader import EventReader
from pipelines.gates.canary.assignment import assignment_finding, nothing_logged
from pipelines.gates.canary.sums import (
    WEEK,
    CanaryEvidence,
    EnrolledEntities,
    PeriodSums,
    canary_sums,
)
from pipelines.outcomes.log import (
    answered_in_own_arm,
    assign_entities,
    load_entity_log,
)
from pipelines.outcomes.metrics import open_metric_source
from pipelines.outcomes.segments import segment_members
from pipelines.packaging.version import ModelVersion
from pipelines.predictions.assignment import Ramp
from pipelines.spec.live_metrics import LATE, segment_stream
from pipelines.spec.model import ModelSpec
from pipelines.spec.predictions import Arm
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

    Arguments:
        events: reader of the prediction log and the streams.
        version: the version under test; its own declaration defines the metrics.
        ramp: the ramp as recorded in the ledger.
        as_of: the instant that the evidence refers to.
        other_version: version number of the other arm.
        swapped: True for a holdback, where ``other_version`` answers the log's arm ``challenger``.
        until: end of the comparison, if it has ended; later decisions and days do not count.

    Returns:
        Sums by the stage in which entities entered their arm, and findings about how the arms
        were served.

    Raises:
        SpecError: the version was declared without a rollout.
    """
    spec, canary = version.spec, declared_rollout(version).canary
    length = timedelta(weeks=canary.weeks)
    end = min(as_of, until) if until else as_of
    elapsed = (utc(end) - utc(ramp.began)) / timedelta(days=1)
    past_since = ramp.began - (length if canary.covariates else timedelta(0))
    whole = load_entity_log(events, spec, Window(past_since, as_of))
    log = whole.within(ramp.began, end) if whole else None
    if whole is None or log is None or not len(log.rows):
        nothing = CanaryEvidence(
            elapsed_days=max(elapsed, 0.0),
            cumulative_weeks=(),
            latest_week=_EMPTY,
            to_date=_EMPTY,
            days_in_week=(),
        )
        return CanaryInputs(nothing, (nothing_logged(),))
    where = assign_entities(log.entities, ramp)
    served = assignment_finding(log, where, ramp)
    mine = log.select(answered_in_own_arm(log, where))
    code = mine.rows["code"].to_numpy(np.int64)
    judged = where.challenger ^ swapped
    versions = (version.number, other_version)
    meant = np.where(judged[code], versions[0], versions[1]).astype(object)
    names = tuple(metric.name for metric in canary.metrics)
    wanted = tuple(dict.fromkeys((*names, *canary.covariates)))
    people = np.unique(code)
    belong = {segment_stream(spec, part) for part in canary.segments}
    also = tuple(name for name in belong if name is not None)
    with open_metric_source(
        events, spec, as_of, versions, wanted, version.spec.classes, also
    ) as source:
        segments = segment_members(source, log.entities, people, ramp.began)
        outcomes = {name: source.metric_rows(name, mine, meant, ramp.began, end) for name in names}
        overdue = source.late_ratio(mine, ramp.began, end)
        callers = whole.select(whole.rows["arm"] != Arm.SHADOW.value)
        past = [source.pre_period(name, callers, ramp.began, length) for name in canary.covariates]
    entities = EnrolledEntities(
        entity=people,
        challenger=judged[people],
        stage=where.stage[people],
        day=mine.enrolment_day(ramp.began)[people],
        covariates=np.column_stack(past)[people] if past else None,
    )
    found = canary_sums(
        entities,
        outcomes if overdue is None else {**outcomes, LATE: overdue},
        outcome=canary.outcome.name,
        elapsed_days=max(elapsed, 0.0),
        weeks=canary.weeks,
        segments=segments,
    )
    return CanaryInputs(found, (served,))


def declared_rollout(version: ModelVersion) -> Rollout:
    """Return the rollout that a version was declared with, not that of the current declaration.

    Raises:
        SpecError: the version was declared without a rollout.
    """
    if version.spec.rollout is None:
        raise SpecError(
            "a version was trained under a declaration without a rollout",
            where=f"{version.model} version {version.number}",
            wanted="rollout: {canary: {outcome: ...}}",
            hint="train it again with the declaration of now",
        )
    return version.spec.rollout


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
