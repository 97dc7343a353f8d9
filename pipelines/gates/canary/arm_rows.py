"""The two arms of a canary or a holdback, entity by entity, as of an instant."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

import numpy as np

from pipelines.core.arrays import Integers, Mask
from pipelines.core.errors import SpecError
from pipelines.core.findings import Finding
from pipelines.core.time import Window
from pipelines.data.reader import EventReader
from pipelines.gates.canary.assignment import assignment_finding
from pipelines.gates.canary.sums import EnrolledEntities
from pipelines.outcomes.log import (
    NO_DAY,
    EntityLog,
    answered_in_own_arm,
    assign_entities,
    entity_records,
    left_day,
    load_entity_log,
)
from pipelines.outcomes.metric_rows import MetricRows, SegmentMembers
from pipelines.outcomes.metrics import open_metric_source
from pipelines.outcomes.segments import segment_members
from pipelines.packaging.version import ModelVersion
from pipelines.predictions.assignment import Ramp
from pipelines.spec.live_metrics import segment_stream
from pipelines.spec.predictions import Arm
from pipelines.spec.rollout import Rollout

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True)
class ArmRows:
    """The entities of both arms, with the rows of their metrics.

    Arguments:
        entities: each entity that was answered in its own arm.
        stayed: whether its segment is still in the arms, shape (n,). Of a segment that has left,
            the whole days before count.
        outcomes: rows of the outcome and of each guardrail, by name.
        overdue: rows of the late events behind the outcome; None if it has none.
        segments: members of each declared segment, by the key of its guardrail.
        served: whether each request was answered in the arm of its entity.
        log: the answers of the arms; rows of other entities are left out.
    """

    entities: EnrolledEntities
    stayed: Mask
    outcomes: Mapping[str, MetricRows]
    overdue: MetricRows | None
    segments: Mapping[str, SegmentMembers]
    served: Finding
    log: EntityLog

    @property
    def keys(self) -> pd.DataFrame:
        """Keys of each entity, in the order of ``entities``."""
        return self.log.entities.iloc[self.entities.entity.astype(np.int64)].reset_index(drop=True)

    def without_left(self) -> ArmRows:
        """The same without the entities of segments that have left the arms."""
        if self.stayed.all():
            return self
        kept, entities = self.stayed, self.entities
        known = entities.entity[kept]
        return replace(
            self,
            entities=EnrolledEntities(
                entity=known,
                challenger=entities.challenger[kept],
                stage=entities.stage[kept],
                day=entities.day[kept],
                covariates=None if entities.covariates is None else entities.covariates[kept],
            ),
            stayed=np.ones(len(known), np.bool_),
            outcomes={
                name: rows.where(np.isin(rows.entity, known))
                for name, rows in self.outcomes.items()
            },
            overdue=None
            if self.overdue is None
            else self.overdue.where(np.isin(self.overdue.entity, known)),
            segments={
                key: SegmentMembers(one.metric, one.members[kept])
                for key, one in self.segments.items()
            },
        )


def read_arms(
    events: EventReader,
    version: ModelVersion,
    ramp: Ramp,
    as_of: datetime,
    *,
    other_version: str,
    swapped: bool = False,
    until: datetime | None = None,
) -> ArmRows | None:
    """Read the rows of both arms of a ramp as of an instant.

    Arguments:
        events: reader of the prediction log and the streams.
        version: the version under test; its own declaration defines the metrics.
        ramp: the ramp as recorded in the ledger.
        as_of: the instant that the evidence refers to.
        other_version: version number of the other arm, outside of segments with a champion of
            their own.
        swapped: True for a holdback, where ``other_version`` answers the log's arm ``challenger``.
        until: end of the comparison, if it has ended; later decisions and days do not count.

    Returns:
        The rows, or None if no request was logged since the ramp began.

    Raises:
        SpecError: the version was declared without a rollout.
    """
    spec, canary = version.spec, declared_rollout(version).canary
    length = timedelta(weeks=canary.weeks)
    end = min(as_of, until) if until else as_of
    past_since = ramp.began - (length if canary.covariates else timedelta(0))
    whole = load_entity_log(events, spec, Window(past_since, as_of))
    log = whole.within(ramp.began, end) if whole else None
    if whole is None or log is None or not len(log.rows):
        return None
    where = assign_entities(log.entities, ramp)
    served = assignment_finding(log, where, ramp)
    mine = log.select(answered_in_own_arm(log, where))
    code = mine.rows["code"].to_numpy(np.int64)
    judged = where.challenger ^ swapped
    versions = (version.number, other_version)
    others = np.array(
        [ramp.control_version(one, other_version) for one in entity_records(log.entities)], object
    )
    meant = np.where(judged[code], version.number, others[code]).astype(object)
    names = tuple(metric.name for metric in canary.metrics)
    wanted = tuple(dict.fromkeys((*names, *canary.covariates)))
    people = np.unique(code)
    left = left_day(where, ramp.began)
    belong = {segment_stream(spec, part) for part in canary.segments}
    also = tuple(name for name in belong if name is not None)
    with open_metric_source(
        events, spec, as_of, versions, wanted, version.spec.classes, also
    ) as source:
        segments = segment_members(source, log.entities, people, ramp.began)
        outcomes = {
            name: _in_arm(source.metric_rows(name, mine, meant, ramp.began, end), left)
            for name in names
        }
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
    return ArmRows(
        entities=entities,
        stayed=left[people] == NO_DAY,
        outcomes=outcomes,
        overdue=None if overdue is None else _in_arm(overdue, left),
        segments=segments,
        served=served,
        log=mine,
    )


def _in_arm(rows: MetricRows, left: Integers) -> MetricRows:
    """The rows of whole days before an entity's segment left the arms, given by code."""
    return rows.where(rows.day < left[rows.entity.astype(np.int64)])


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
