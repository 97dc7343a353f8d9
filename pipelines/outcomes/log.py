"""The prediction log of a rollout: the arm that answered each entity, and its assigned arm."""

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
from pipelines.predictions.entity import entity_json, entity_values
from pipelines.predictions.reader import read_log
from pipelines.spec.model import ModelSpec
from pipelines.spec.predictions import Arm

if TYPE_CHECKING:
    import pandas as pd


NO_STAGE = np.iinfo(np.int64).max  # the stage of an entity that is in no arm
NO_DAY = np.iinfo(np.int64).max  # the first day of an entity that has no rows
PROPAGATION_TIME = timedelta(hours=1)  # from a change of allocation until all processes follow it


@dataclass(frozen=True)
class EntityLog:
    """Rows of a prediction log and their entities.

    Arguments:
        rows: columns of the log, plus ``code``: the position of the row's entity in ``entities``.
        entities: keys of each entity, one row per entity, in the order of the codes.
    """

    rows: pd.DataFrame
    entities: pd.DataFrame

    def select(self, which: Any) -> EntityLog:
        """Return the log with a selection of its rows and all of its entities."""
        return EntityLog(self.rows[which], self.entities)

    def within(self, start: datetime, end: datetime) -> EntityLog:
        """Return the rows whose decision times lie in ``[start, end)``."""
        decided = self.rows["event_time"]
        low, high = (utc(bound).replace(tzinfo=None) for bound in (start, end))
        return self.select((decided >= low) & (decided < high))

    def days(self, since: datetime) -> Integers:
        """Return the day of each row, counted from ``since``."""
        return days_since(self.rows["event_time"].to_numpy("datetime64[us]"), since)

    def enrolment_day(self, since: datetime) -> Integers:
        """Return the first day of each entity, by code; ``NO_DAY`` for an entity without rows."""
        first = np.full(len(self.entities), NO_DAY)
        np.minimum.at(first, self.rows["code"].to_numpy(np.int64), self.days(since))
        return first


def days_since(times: npt.NDArray[np.datetime64], since: datetime) -> Integers:
    """Return the whole days from ``since`` to each time; negative for earlier times."""
    origin = np.datetime64(utc(since).replace(tzinfo=None), "us")
    return np.asarray((times - origin) // np.timedelta64(1, "D"), np.int64)


def load_entity_log(events: EventReader, spec: ModelSpec, window: Window) -> EntityLog | None:
    """Load the logged predictions for decisions in a window, as known at its end.

    Returns:
        The log, or None if it has no rows.

    Raises:
        DataError: the log does not match ``spec.predictions``, or its entities have other keys
            than the model's decision points.
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
    typed = [entity_values(one, spec.point_stream.columns) for one in entities]
    return EntityLog(rows.assign(code=codes), pd.DataFrame(typed, columns=keys))


@dataclass(frozen=True)
class Assignment:
    """The arm that the hash assigns to each entity, by code.

    Arguments:
        stage: ramp stage at which the entity enters its arm; ``NO_STAGE`` for entities in no arm.
        challenger: whether the arm is the challenger's.
        left: when the entity's segment left the arms, in UTC; NaT if it did not.
    """

    stage: Integers
    challenger: Mask
    left: npt.NDArray[np.datetime64]


def entity_records(entities: pd.DataFrame) -> list[dict[str, Any]]:
    """Return the keys of each entity as JSON values, in the order of the codes."""
    return [
        dict(entity_json(dict(zip(entities.columns, one, strict=True))))
        for one in entities.itertuples(index=False, name=None)
    ]


def assign_entities(entities: pd.DataFrame, ramp: Ramp) -> Assignment:
    """Assign entities to arms under a ramp, independently of the answers that were served."""
    allocation = Allocation(salt=ramp.salt, share=ramp.shares[-1])
    records = entity_records(entities)
    stages = [stage_of(one, ramp.salt, ramp.shares) for one in records]
    arms = [arm_of(one, allocation) for one in records]
    return Assignment(
        np.array([NO_STAGE if stage is None else stage for stage in stages], np.int64),
        np.array([arm is Arm.CHALLENGER for arm in arms], np.bool_),
        np.array([_naive(ramp.left_at(one)) for one in records], "datetime64[us]"),
    )


def left_day(where: Assignment, since: datetime) -> Integers:
    """The day on which each entity's segment left the arms, by code; ``NO_DAY`` if it did not."""
    days = np.full(len(where.left), NO_DAY)
    gone = ~np.isnat(where.left)
    days[gone] = days_since(where.left[gone], since)
    return days


def _naive(instant: datetime | None) -> np.datetime64:
    return (
        np.datetime64("NaT")
        if instant is None
        else np.datetime64(utc(instant).replace(tzinfo=None))
    )


def answered_in_own_arm(log: EntityLog, where: Assignment) -> Mask:
    """Return a mask of the rows that were answered in the arm that the hash gives their entity."""
    code = log.rows["code"].to_numpy()
    arm = log.rows["arm"].to_numpy(object)
    meant = np.where(where.challenger[code], Arm.CHALLENGER.value, Arm.CONTROL.value)
    return np.asarray((where.stage[code] != NO_STAGE) & (arm == meant), np.bool_)
