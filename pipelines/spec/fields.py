"""Field types for declarations."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Annotated

from pydantic import (
    AfterValidator,
    BeforeValidator,
    ConfigDict,
    Field,
    PlainSerializer,
    WithJsonSchema,
    model_validator,
)

from pipelines.core.errors import SpecError, TimeError
from pipelines.core.names import Column, clashes
from pipelines.core.records import Record
from pipelines.core.time import (
    duration_text,
    instant_text,
    parse_duration,
    parse_instant,
    utc,
    zone_of,
)

_ANY_DAY = datetime(2026, 1, 1, tzinfo=UTC)  # from which a schedule has to have a next instant
LONGEST = timedelta(days=36525)  # a hundred years, so that no sum of durations leaves the calendar


def _read_duration(value: object) -> timedelta:
    try:
        read = value if isinstance(value, timedelta) else parse_duration(str(value))
    except TimeError as error:
        raise ValueError(f"{error.what}: wanted {error.wanted}") from error
    if not timedelta(0) <= read <= LONGEST:
        raise ValueError(f"a duration is at most {duration_text(LONGEST)}, and not negative")
    return read


def _longer_than_nothing(value: timedelta) -> timedelta:
    if not value:
        raise ValueError("it must be longer than 0")
    return value


Duration = Annotated[
    timedelta,
    BeforeValidator(_read_duration),
    PlainSerializer(duration_text, return_type=str),
    WithJsonSchema({"type": "string", "pattern": r"^(\d+[wdhms])+$", "examples": ["28d", "6h"]}),
]

Span = Annotated[Duration, AfterValidator(_longer_than_nothing)]


def _read_instant(value: object) -> datetime:
    try:
        return utc(value) if isinstance(value, datetime) else parse_instant(str(value))
    except TimeError as error:
        raise ValueError(f"{error.what}: wanted {error.wanted}") from error


When = Annotated[
    datetime,
    BeforeValidator(_read_instant),
    PlainSerializer(instant_text, return_type=str),
    WithJsonSchema({"type": "string", "examples": ["2026-01-05", "2026-01-05T06:00:00Z"]}),
]


def _read_cron(value: object) -> object:
    from croniter import CroniterBadDateError, croniter  # Airflow parses schedules with it too

    if not isinstance(value, str):
        return value
    fields = value.split()
    seconds = len(fields) > 5
    random = any(field[:1] in "RrHh" for field in fields)
    if seconds or random or not croniter.is_valid(value):
        raise ValueError("not a cron expression: wanted five fields such as '0 6 * * 1', or @daily")
    try:
        croniter(value, _ANY_DAY).get_next()
    except CroniterBadDateError as cause:
        raise ValueError("the cron expression names a day that no month has") from cause
    return value


Cron = Annotated[str, BeforeValidator(_read_cron)]


def _known_zone(name: str) -> str:
    try:
        zone_of(name, "zone")
    except SpecError as error:
        raise ValueError(f"{error.what}: wanted {error.wanted}") from error
    return name


def _distinct(names: tuple[str, ...]) -> tuple[str, ...]:
    if twice := [second for _first, second in clashes(names)]:
        raise ValueError(f"each column stands once; {twice} stands twice")
    return names


Zone = Annotated[str, AfterValidator(_known_zone)]
Keys = Annotated[tuple[Column, ...], AfterValidator(_distinct)]
Share = Annotated[float, Field(ge=0, le=1)]
Scalar = bool | int | float | str


class Declaration(Record):
    """A part of a declaration. Its digest ignores comments, key order and explicit defaults."""


class ColumnType(StrEnum):
    """Types of event columns. Times have a zone in files; internally they are in UTC."""

    STRING = "string"
    INTEGER = "integer"
    FLOAT = "float"
    BOOLEAN = "boolean"
    TIMESTAMP = "timestamp"


NUMBERS = (ColumnType.INTEGER, ColumnType.FLOAT, ColumnType.BOOLEAN)


def is_value_of(value: Scalar, kind: ColumnType) -> bool:
    """Whether a column of that type can hold a value; no declared value is a time.

    >>> is_value_of(1, ColumnType.FLOAT), is_value_of(True, ColumnType.INTEGER)
    (True, False)
    """
    if isinstance(value, bool):
        return kind is ColumnType.BOOLEAN
    if kind is ColumnType.INTEGER:
        return isinstance(value, int) and abs(value) < 2**63
    return isinstance(value, value_types(kind))


def value_types(kind: ColumnType) -> tuple[type, ...]:
    """The types of values that a condition compares with a column; none for times."""
    numbers = (int, float)
    return {
        ColumnType.STRING: (str,),
        ColumnType.INTEGER: numbers,
        ColumnType.FLOAT: numbers,
        ColumnType.BOOLEAN: (bool,),
        ColumnType.TIMESTAMP: (),
    }[kind]


class Condition(Declaration):
    """One condition on a column. All conditions of a list must hold; a missing value meets none."""

    column: Column
    is_: Scalar | None = Field(default=None, alias="is")
    is_not: Scalar | None = None
    in_: tuple[Scalar, ...] | None = Field(default=None, alias="in")
    at_least: float | None = None
    at_most: float | None = None

    model_config = ConfigDict(
        frozen=True, extra="forbid", allow_inf_nan=False, serialize_by_alias=True
    )

    @model_validator(mode="after")
    def _one_test(self) -> Condition:
        tests = (self.is_, self.is_not, self.in_, self.at_least, self.at_most)
        if all(test is None for test in tests):
            raise ValueError("a condition needs one of: is, is_not, in, at_least, at_most")
        least, most = self.at_least, self.at_most
        crossed = least is not None and most is not None and least > most
        if crossed or self.in_ == ():
            raise ValueError("no value meets the condition")
        return self

    @property
    def values(self) -> tuple[Scalar, ...]:
        """Every value that the column is compared with."""
        single = (self.is_, self.is_not, self.at_least, self.at_most)
        return tuple(value for value in (*single, *(self.in_ or ())) if value is not None)

    @property
    def in_words(self) -> str:
        """The condition in words."""
        tests = self.model_dump(mode="json", exclude_none=True, exclude={"column"})
        return " and ".join(
            f"{self.column} {test.replace('_', ' ')} {json.dumps(value, ensure_ascii=False)}"
            for test, value in tests.items()
        )
