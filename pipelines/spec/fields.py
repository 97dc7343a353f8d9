"""Field types for declarations."""

from __future__ import annotations

import json
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Annotated

from pydantic import (
    BeforeValidator,
    ConfigDict,
    Field,
    PlainSerializer,
    WithJsonSchema,
    model_validator,
)

from pipelines.core.errors import TimeError
from pipelines.core.names import Column
from pipelines.core.records import Record
from pipelines.core.time import (
    duration_text,
    instant_text,
    parse_duration,
    parse_instant,
    utc,
)


def _read_duration(value: object) -> timedelta:
    if isinstance(value, timedelta):
        return value
    try:
        return parse_duration(str(value))
    except TimeError as error:
        raise ValueError(f"{error.what}: wanted {error.wanted}") from error


Duration = Annotated[
    timedelta,
    BeforeValidator(_read_duration),
    PlainSerializer(duration_text, return_type=str),
    WithJsonSchema({"type": "string", "pattern": r"^(\d+[wdhms])+$", "examples": ["28d", "6h"]}),
]


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
    from croniter import croniter  # Airflow parses schedules with it too

    if isinstance(value, str) and not croniter.is_valid(value):
        raise ValueError("not a cron expression: wanted five fields such as '0 6 * * 1', or @daily")
    return value


Cron = Annotated[str, BeforeValidator(_read_cron)]
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
        return self

    @property
    def in_words(self) -> str:
        """The condition in words."""
        tests = self.model_dump(mode="json", exclude_none=True, exclude={"column"})
        return " and ".join(
            f"{self.column} {test.replace('_', ' ')} {json.dumps(value, ensure_ascii=False)}"
            for test, value in tests.items()
        )
