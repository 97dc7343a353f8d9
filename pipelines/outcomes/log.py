"""The prediction log of a trial: who was answered in which arm, and who should have been."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from pipelines.core.arrays import Integers, Mask
from pipelines.core.errors import DataError
from pipelines.core.records import canonical_json
from pipelines.core.time import Window, utc
from pipelines.data.reader import EventReader
from pipelines.predictions.assignment import Allocation, Ramp, arm_of, stage_of
from pipelines.predictions.reader import read_log
from pipelines.spec.model import ModelSpec
from pipelines.spec.predictions import Arm

if TYPE_CHECKING:
    import pandas as pd


NO_STAGE = np.iinfo(np.int64).max  # the stage of an entity that is in no arm
NO_DAY = np.iinfo(np.int64).max  # the first day of an entity that has no row
PROPAGATION_TIME = timedelta(hours=1)  # from a move until every process follows it


@dataclass(frozen=True)
class EntityLog:
    """Rows of a log, and their entities.

    Arguments:
        rows: the log's columns, ``code``: the place of the row's entity in ``entities``.
        entities: the keys of each entity, one row each, in the order of codes.
    """

    rows: pd.DataFrame
    entities: pd.DataFrame

    def select(self, which: Any) -> EntityLog:
        """Some of the rows; the same entities."""
        return EntityLog(self.rows[which], self.entities)

    def within(self, start: datetime, end: datetime) -> EntityLog:
        """The rows about decisions of a stretch."""
        decided = self.rows["event_time"]
        low, high = (utc(bound).replace(tzinfo=None) for bound in (start, end))
        return self.select((decided >= low) & (decided < high))

    def days(self, since: datetime) -> Integers:
        """The day of each row, counted from an instant."""
        return days_since(self.rows["event_time"].to_numpy("datetime64[us]"), since)

    def enrolment_day(self, since: datetime) -> Integers:
        """The first day of each entity, by code; ``NO_DAY`` where it has no row."""
        first = np.full(len(self.entities), NO_DAY)
        np.minimum.at(first, self.rows["code"].to_numpy(np.int64), self.days(since))
        return first


def days_since(times: npt.NDArray[np.datetime64], since: datetime) -> Integers:
    """Whole days from an instant until each time; below 0 before it."""
    origin = np.datetime64(utc(since).replace(tzinfo=None), "us")
    return np.asarray((times - origin) // np.timedelta64(1, "D"), np.int64)


def load_entity_log(events: EventReader, spec: ModelSpec, window: Window) -> EntityLog | None:
    """What was logged about decisions in a window, known at its end; none when nothing was.

    Raises:
        DataError: when the log is not what ``spec.predictions`` declares.
    """
    import pandas as pd

    rows = read_log(events, spec.name, window)
    if rows is None or not len(rows):
        return None
    spelled, forms = pd.factorize(rows["entity"].astype(object))
    same, texts = pd.factorize(
        np.array([canonical_json(json.loads(form)) for form in forms], object), sort=True
    )
    codes = np.asarray(same)[spelled]
    keys, entities = list(spec.points.keys), [json.loads(text) for text in texts]
    lacking = [text for text, one in zip(texts, entities, strict=True) if set(one) != set(keys)]
    if lacking:
        raise DataError(
            "a prediction log is about other entities",
            where=f"{spec.name}: prediction log",
            got=lacking[0],
            wanted=f"keys {keys}",
        )
    return EntityLog(rows.assign(code=codes), pd.DataFrame(entities, columns=keys))


@dataclass(frozen=True)
class Assignment:
    """Where the hash puts each entity, by code.

    Arguments:
        stage: of the ramp at which it came into its arm; ``NO_STAGE`` for none.
        challenger: whether that is the challenger's arm.
    """

    stage: Integers
    challenger: Mask


def assign_entities(entities: pd.DataFrame, ramp: Ramp) -> Assignment:
    """The arms of entities under a ramp; nothing that was served plays a part."""
    allocation = Allocation(salt=ramp.salt, share=ramp.shares[-1])
    records: list[Any] = entities.to_dict("records")
    stages = [stage_of(one, ramp.salt, ramp.shares) for one in records]
    arms = [arm_of(one, allocation) for one in records]
    return Assignment(
        np.array([NO_STAGE if stage is None else stage for stage in stages], np.int64),
        np.array([arm is Arm.CHALLENGER for arm in arms], np.bool_),
    )


def answered_in_own_arm(log: EntityLog, where: Assignment) -> Mask:
    """Rows that were answered in the very arm that the hash gives their entity."""
    code = log.rows["code"].to_numpy()
    arm = log.rows["arm"].to_numpy(object)
    meant = np.where(where.challenger[code], Arm.CHALLENGER.value, Arm.CONTROL.value)
    return np.asarray((where.stage[code] != NO_STAGE) & (arm == meant), np.bool_)
